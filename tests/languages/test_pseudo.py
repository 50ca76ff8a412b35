"""Every page of the admin in the pseudo language: nothing on it may still be English."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from celery_jobman.admin.steering import bulk, sweeps
from celery_jobman.insight import failures
from celery_jobman.models import Job
from tests.languages import flows, pseudo, rows, words
from tests.languages.pseudo import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User

    from celery_jobman.models import Batch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_pseudo", "_task")]

#: What is the same in every language, as patterns.
NAMES: Final = (
    r"\bUTC\b",  # time zones, as the database of zones calls them
    r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b",  # levels, as Python's logging calls them
    r"celery -A [\w.]+ worker( -Q)?",  # a command
    r"[0-9a-f]{8}-[0-9a-f-]{27}|…?[0-9a-f]{8}(?![0-9a-f])…?|\b[01]{32}\b",  # ids
    r"\b(solo|prefork)\b",  # pools, as Celery calls them
    r"•••|%s",  # a mask; a place that a script fills in
)
#: What stands on the pages and is not ours.
OTHERS: Final = (
    r"\b(Shop|Avatars|Branches|Carts|Customers|Newsletters)\b",  # the example's tables
    r'Traceback \(most recent call last\)|File "|", line (?=\d)|, in |/celery/app/',  # Python's
)

#: The language of the search field, and the states as it calls them.
TERMS: Final = "task|queue|worker|state|owner|tag|batch|fingerprint|error|after|before|ran"
SEARCH: Final = (rf"\b({TERMS}):\S*( words\")?",)
#: JSON.
EDITING: Final = ("JSON",)
#: What Python itself says of JSON and of a signature.
SIGNATURE: Final = (r"greek\(\) takes .* given|Expecting value|\bNaN\b|\bk?w?args[.\[]",)

LIST: Final = "admin:jobman_job_changelist"
VERBS: Final = ("cancel", "retry", "retry_from", "edit_retry", "priority", "reschedule")


def _english(html: str, *more: str) -> set[str]:
    return words.english(words.said(html), (*NAMES, *OTHERS, *more))


def _page(client: Client, address: str, **query: Any) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, address
    return answer.content.decode()


def _change(job: Job) -> str:
    return reverse("admin:jobman_job_change", args=[job.pk])


def _route(job: Job, name: str) -> str:
    return reverse(f"admin:jobman_job_{name}", kwargs={"pk": job.pk})


def _offences(pages: Iterable[tuple[str, str]], *more: str) -> dict[str, str]:
    """Return what is English, each with the last page that says it."""
    return {piece: name for name, html in pages for piece in _english(html, *more)}


def test_the_job_page_in_every_state(visitor: Client, jobs: dict[str, Job]) -> None:
    pages = [(name, _page(visitor, _change(job))) for name, job in jobs.items()]

    assert _offences(pages) == {}


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("query", [{}, {"state": "failed"}, {"q": "task:ω"}])
def test_the_list(visitor: Client, query: dict[str, str]) -> None:
    pages = [("list", _page(visitor, reverse(LIST), **query))]

    assert _offences(pages, *SEARCH) == {}


@pytest.mark.parametrize(
    "query",
    [
        {"q": "α" * 1001},
        {"q": "\x01"},
        {"q": '"'},
        {"q": "task:"},
        {"q": "1:2 ran:2"},
        {"q": "ω:1"},
        {"q": "ran:1"},
        {"state": "8"},
        {"when": "9"},
        {"_after": "1"},
    ],
)
def test_what_the_list_says_of_a_wrong_address(visitor: Client, query: dict[str, str]) -> None:
    page = _page(visitor, reverse(LIST), **query)

    assert _offences([("list", page)], *SEARCH) == {}


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_of_a_verb_in_every_state(
    visitor: Client, jobs: dict[str, Job], verb: str
) -> None:
    pages = [(name, _page(visitor, _route(job, verb))) for name, job in jobs.items()]

    assert _offences(pages, *EDITING) == {}


def test_the_page_for_someone_who_may_see_little(
    jobs: dict[str, Job], django_user_model: type[User]
) -> None:
    reader = django_user_model.objects.create_user("αν", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_job"))
    client = Client()
    client.force_login(reader)

    pages = [(name, _page(client, _change(job))) for name, job in jobs.items()]
    pages.append(("list", _page(client, reverse(LIST), q="error:α")))

    assert _offences(pages, *SEARCH) == {}


#: Forms that are sent, and what each job is for it.  ``{}`` is a form as it is shown first.
SENT: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("cancel", "queued", {}),
    ("cancel", "running here", {}),
    ("cancel", "cancelling", {"force": "on"}),
    ("cancel", "cancelling", {}),
    ("retry", "failed", {}),
    ("retry", "succeeded", {}),
    ("retry", "succeeded", {"confirm": "on"}),
    ("retry_from", "failed", {}),
    ("retry_from", "failed", {"step": rows.STEPS[1]}),
    ("priority", "queued", {"priority": "300"}),
    ("priority", "queued", {"priority": "5"}),
    ("priority", "scheduled", {}),
    ("reschedule", "queued", {"when": "now"}),
    ("reschedule", "queued", {"when": "hour"}),
    ("reschedule", "queued", {"when": "at"}),
    ("reschedule", "queued", {"when": "at", "at": "2999-01-01T12:00"}),
    ("reschedule", "queued", {"when": "at", "at": "α"}),
    ("reschedule", "queued", {"when": "β"}),
    ("retry", "running here", {}),
    ("retry", "failed", {"attempt": "9"}),
)


@pytest.mark.parametrize(("verb", "name", "data"), SENT)
def test_what_a_verb_answers(
    visitor: Client, jobs: dict[str, Job], verb: str, name: str, data: dict[str, Any]
) -> None:
    job = jobs[name]
    standing = {"state": job.state, "attempt": job.attempt, "reason": "ρ"}

    answer = visitor.post(_route(job, verb), {**standing, **data}, follow=True)

    assert _english(answer.content.decode(), *EDITING) == set()


EDITS: Final = (
    {"check": "1"},
    {"check": "1", "args": '["σ"]', "kwargs": "{}"},
    {"args": "["},
    {"args": "{}"},
    {"args": "NaN"},
    {"args": "[" * 200 + "]" * 200},
    {"args": '["•••"]'},
    {"args": '["α", "β"]'},
    {"token": "τ"},
    {"from_step": rows.STEPS[1]},
)


@pytest.mark.parametrize("data", EDITS)
def test_what_an_edit_answers(visitor: Client, jobs: dict[str, Job], data: dict[str, str]) -> None:
    job = jobs["failed"]
    form = visitor.get(_route(job, "edit_retry")).context["form"]
    values = {name: form[name].value() or "" for name in form.fields}

    answer = visitor.post(_route(job, "edit_retry"), {**values, **data}, follow=True)

    assert _english(answer.content.decode(), *EDITING, *SIGNATURE) == set()


BULK: Final = (
    "cancel_jobs",
    "retry_jobs",
    "reschedule_jobs",
    "change_priority_of_jobs",
    "forget_jobs",
)


@pytest.mark.parametrize("action", BULK)
def test_a_bulk_action(
    visitor: Client, jobs: dict[str, Job], action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CROWD", 2)  # so that the number must be typed
    ids = [str(job.pk) for job in jobs.values()]
    chosen = {"action": action, ACTION_CHECKBOX_NAME: ids, "select_across": "0", "index": "0"}

    asked = visitor.post(reverse(LIST), chosen)
    form = asked.context["form"]
    values = {name: form[name].value() or "" for name in form.fields}
    wrong = visitor.post(reverse(LIST), {**chosen, **values, "number": "7"})
    right = {"number": str(len(ids)), "when": "now"}
    done = visitor.post(reverse(LIST), {**chosen, **values, **right}, follow=True)

    pages = [(str(page), page.content.decode()) for page in (asked, wrong, done)]
    assert done.redirect_chain
    assert _offences(pages, *SEARCH) == {}


def test_what_a_bulk_action_had_no_time_for(
    visitor: Client, jobs: dict[str, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "PATIENCE", 0)
    ids = [str(job.pk) for job in jobs.values()]
    chosen = {"action": "forget_jobs", ACTION_CHECKBOX_NAME: ids, "select_across": "1"}

    form = visitor.post(reverse(LIST), chosen).context["form"]
    values = {name: form[name].value() or "" for name in form.fields}
    left = visitor.post(reverse(LIST), {**chosen, **values, "number": str(len(ids))})
    values["rest"] = "χ"
    forged = visitor.post(reverse(LIST), {**chosen, **values})

    assert left.context["left"]
    pages = [("left", left.content.decode()), ("forged", forged.content.decode())]
    assert _offences(pages, *SEARCH) == {}


def test_revealed_values(visitor: Client, jobs: dict[str, Job]) -> None:
    answer = visitor.post(_route(jobs["complete"], "reveal"), {"reason": "υ"})

    assert _english(answer.content.decode()) == set()


def test_what_the_scripts_are_told(visitor: Client, jobs: dict[str, Job]) -> None:
    job = jobs["running here"]
    live = json.loads(_page(visitor, _route(job, "state")))["regions"]
    pages = [(name, part["html"]) for name, part in live.items()]
    row = {"ids": str(job.pk), "newest": "0" * 32}
    told = json.loads(_page(visitor, reverse("admin:jobman_job_states"), **row))
    pages += told["rows"][str(job.pk)].items()
    pages.append(("new", told["new"]))
    counts = json.loads(_page(visitor, reverse("admin:jobman_job_counts")))["counts"]
    pages += counts.items()
    wrong = visitor.get(_route(job, "log"), {"after": "φ"})
    pages.append(("log", wrong.json()["error"]))

    assert told["new"]
    assert _offences(pages, "after:") == {}


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("model", ["job", "jobaction", "logline", "queue", "worker"])
def test_the_plain_lists_and_their_rows(visitor: Client, model: str) -> None:
    address = reverse(f"admin:jobman_{model}_changelist")
    row = apps.get_model("jobman", model)._default_manager.first()
    assert row
    change = reverse(f"admin:jobman_{model}_change", args=[quote(row.pk)])
    index = reverse("admin:app_list", args=["jobman"])

    pages = [(each, _page(visitor, each)) for each in (address, change, index)]

    titles = (rf"\b({'|'.join(rows.CHANGES)}) by (?=ρίζα)",)  # what a row calls itself
    assert _offences(pages, *SEARCH, *EDITING, "^Search$", *titles) == {}


def test_who_may_not_see_it_is_told_so(visitor: Client, jobs: dict[str, Job]) -> None:
    job = jobs["failed"]
    gone = visitor.get(_change(job).replace(str(job.pk), str(uuid4())), follow=True)

    assert _english(gone.content.decode()) == set()


def test_a_text_that_is_not_translated_is_found() -> None:
    page = f'<p title="Say it">{spoken("Jobs")} α Now</p><script>let it = 1;</script><b>{{}}</b>'

    assert _english(page) == {"Say it", f"{spoken('Jobs')} α Now"}
    assert _english(f'<p aria-label="α">{spoken("Jobs")} UTC ⟪Run ⟪it⟫⟫</p>') == set()


def test_the_pseudo_language_keeps_places_and_is_longer() -> None:
    text = "Lines that are shown: %(count)s of %%s, %s (%(percent)s%%)"
    sentence = "It is scheduled, and it begins when its time has come."

    assert pseudo.PLACES.findall(spoken(text)) == pseudo.PLACES.findall(text)
    assert len(spoken(sentence)) >= len(sentence) * 1.4


def _batch(batch: Batch, name: str) -> str:
    if name == "change":
        return reverse("admin:jobman_batch_change", args=[batch.pk])
    return reverse(f"admin:jobman_batch_{name}", kwargs={"pk": batch.pk})


@pytest.mark.parametrize("name", ["change", "graph", "cancel", "retry"])
def test_the_pages_of_batches(
    visitor: Client, chief: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "REACH", flows.ERRORS - 1)
    batches = flows.make(chief)
    pages = [(each, _page(visitor, _batch(row, name))) for each, row in batches.items()]
    table = {"form": "table"} if name == "graph" else {"show": "pending"}
    pages += [(each, _page(visitor, _batch(row, name), **table)) for each, row in batches.items()]

    assert _offences(pages) == {}


@pytest.mark.parametrize("name", ["cancel", "retry"])
@pytest.mark.parametrize("state", ["running", "failed", "succeeded"])
@pytest.mark.parametrize("scope", ["failed", "α"])
def test_what_a_verb_on_a_batch_answers(
    visitor: Client, chief: User, name: str, state: str, scope: str
) -> None:
    batch = flows.make(chief)[state]
    sent = {"standing": f"{batch.state}.{batch.finishes}", "scope": scope}

    answers = [visitor.post(_batch(batch, name), sent, follow=True) for _ in range(2)]

    assert _offences([("answer", answer.content.decode()) for answer in answers]) == {}


def test_the_list_of_batches_and_a_link_of_a_workflow(visitor: Client, chief: User) -> None:
    inner = flows.make(chief)["inner"]
    jobs = Job.objects.filter(batch_id__in=[inner.pk, inner.batch_id])
    changelist = reverse("admin:jobman_batch_changelist")
    pages = [
        (str(query), _page(visitor, changelist, **query))
        for query in ({}, {"q": "μέσα"}, {"q": "ω"})
    ]
    pages += [("job", _page(visitor, _change(job))) for job in jobs]
    for job in jobs:
        place = {"pk": job.batch_id, "member": job.pk}
        address = reverse("admin:jobman_batch_retry_from", kwargs=place)
        pages.append(("link", _page(visitor, address)))
        pages.append(("sent", visitor.post(address, follow=True).content.decode()))

    assert _offences(pages) == {}
