from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse
from django.utils import timezone

from celery_jobman.models import Job, JobAction
from celery_jobman.states import State
from tests.factories import EARLIER, NOON, finished_job, job_in, queued_job, running_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db

PAST = {"created_at": EARLIER.replace(year=2020), "queued_at": None, "started_at": None}
ENDED = {**PAST, "finished_at": NOON.replace(year=2020)}
LIST = "admin:jobman_job_changelist"


def _failed(**fields: Any) -> Job:
    return finished_job(State.FAILED, **{**ENDED, **fields})


def _times() -> list[datetime]:
    """Return for when the jobs are scheduled, in the order in which they had their turn."""
    times = Job.objects.order_by("-id").values_list("available_at", flat=True)
    return [moment for moment in times if moment]


def _gaps(times: list[datetime]) -> list[timedelta]:
    """Return the times between those that wait; the first runs as soon as it is written."""
    return [after - before for before, after in pairwise(times[1:])]


@pytest.fixture
def ask(admin_client: Client) -> Callable[..., Any]:
    """Choose an action in the list; return its page."""

    def ask(action: str, *jobs: Job, across: bool = False, query: str = "") -> Any:
        chosen = {"_selected_action": [str(job.pk) for job in jobs]}
        fields = {"action": action, "select_across": str(int(across)), "index": "0"}
        return admin_client.post(reverse(LIST) + query, {**fields, **chosen})

    return ask


@pytest.fixture
def confirm(admin_client: Client) -> Callable[..., Any]:
    """Choose an action, and confirm its page."""

    def confirm(page: Any, query: str = "", **fields: Any) -> Any:
        form = page.context["form"]
        given: dict[str, Any] = {n: form[n].value() or "" for n in form.fields}
        for name, value in page.context["passed_on"]:
            given.setdefault(name, []).append(value)
        return admin_client.post(reverse(LIST) + query, {**given, **fields})

    return confirm


def test_the_first_request_asks_and_does_nothing(ask: Any) -> None:
    jobs = [_failed(error_class="SMTPServerDisconnected"), _failed(task="demo.send")]

    page = ask("retry_jobs", *jobs)

    text = page.content.decode()
    assert page.status_code == 200
    assert "Retry 2 jobs" in text
    assert "SMTPServerDisconnected: 1" in text
    assert "demo.send: 1" in text
    assert not JobAction.objects.exists()


def test_the_second_does_it(ask: Any, confirm: Any, said: Any, admin_user: Any) -> None:
    jobs = [_failed(), _failed()]

    answer = confirm(ask("retry_jobs", *jobs), reason="fixed")

    assert said(answer) == "2 retried"
    assert {job.state for job in Job.objects.all()} == {State.SCHEDULED}
    rows = JobAction.objects.values_list("job_id", "verb", "user_id", "reason")
    assert set(rows) == {(job.pk, "retry", admin_user.pk, "fixed") for job in jobs}
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("action", "state", "fields"),
    [
        ("cancel_jobs", State.QUEUED, {}),
        ("reschedule_jobs", State.QUEUED, {"when": "hour"}),
        ("change_priority_of_jobs", State.SCHEDULED, {"priority": "3"}),
        ("forget_jobs", State.CANCELLED, {}),
        ("retry_jobs", State.SUCCEEDED, {"succeeded": "on"}),
    ],
)
def test_every_verb_works(
    ask: Any, confirm: Any, action: str, state: State, fields: dict[str, str]
) -> None:
    ended = ENDED if state.value in {"cancelled", "succeeded"} else PAST
    job = job_in(state, **ended)

    confirm(ask(action, job), **fields)

    assert JobAction.objects.get().job_id == job.pk


def test_jobs_that_moved_on_are_left_alone(ask: Any, confirm: Any, said: Any) -> None:
    jobs = [_failed(), _failed()]
    page = ask("retry_jobs", *jobs)
    Job.objects.filter(pk=jobs[0].pk).update(
        state=State.RUNNING, attempt=2, started_at=timezone.now(), finished_at=None
    )

    assert said(confirm(page)) == "1 retried, 1 skipped (already running)"


def test_a_cancel_does_not_reach_a_job_that_began_meanwhile(ask: Any, confirm: Any) -> None:
    job = queued_job(**PAST)
    page = ask("cancel_jobs", job)
    Job.objects.filter(pk=job.pk).update(state=State.RUNNING, attempt=1, started_at=timezone.now())

    confirm(page)

    job.refresh_from_db()
    assert job.cancel_requested_at is None


def test_jobs_that_succeeded_are_only_run_again_on_request(
    ask: Any, confirm: Any, said: Any
) -> None:
    job = finished_job(State.SUCCEEDED, **ENDED)

    assert said(confirm(ask("retry_jobs", job))) == "0 retried, 1 skipped (already succeeded)"


def test_the_same_form_twice_does_it_once(ask: Any, confirm: Any) -> None:
    page = ask("retry_jobs", _failed(), _failed())

    confirm(page)
    Job.objects.update(queued_at=timezone.now(), state=State.QUEUED)
    confirm(page)

    assert JobAction.objects.count() == 2


def test_all_that_match_are_passed_on_as_the_filter(ask: Any, confirm: Any, said: Any) -> None:
    jobs = [_failed() for _ in range(3)]
    other = finished_job(State.CANCELLED, **ENDED)
    query = "?state__exact=failed"

    page = ask("forget_jobs", jobs[0], across=True, query=query)

    assert [name for name, _ in page.context["passed_on"]].count("_selected_action") == 1
    assert ("state", "failed") in page.context["filtered_by"]
    assert said(confirm(page, query)) == "3 deleted"
    assert Job.objects.get().pk == other.pk


def test_a_recount_that_differs_is_shown_again(ask: Any, confirm: Any, said: Any) -> None:
    query = "?state__exact=failed"
    page = ask("forget_jobs", _failed(), across=True, query=query)
    _failed()

    again = confirm(page, query)

    assert again.status_code == 200
    assert "Delete 2 jobs for good" in again.content.decode()
    assert "Other jobs match by now" in said(again)
    assert Job.objects.count() == 2


@override_settings(JOBMAN={"BULK_LIMIT": 2000})
def test_a_crowd_must_be_confirmed_by_its_number(
    ask: Any, confirm: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_jobman.admin.steering.bulk.CROWD", 2)
    page = ask("forget_jobs", *[_failed() for _ in range(3)])

    assert confirm(page, number="2").context["form"].errors["number"]
    assert confirm(page).context["form"].errors["number"]
    assert Job.objects.count() == 3
    assert said(confirm(page, number="3")) == "3 deleted"


def test_a_hundred_need_no_number(ask: Any, confirm: Any, said: Any) -> None:
    page = ask("forget_jobs", *[_failed() for _ in range(101)])

    assert "number" not in page.context["form"].fields
    assert said(confirm(page)) == "101 deleted"


def test_more_than_one_action_takes_on_are_a_crowd(ask: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("celery_jobman.admin.steering.bulk.CROWD", 2)
    jobs = [_failed() for _ in range(3)]

    with override_settings(JOBMAN={"BULK_LIMIT": 2}):
        page = ask("forget_jobs", jobs[0], across=True)

    assert "number" in page.context["form"].fields
    assert page.context["form"].count == 2


def test_many_leave_an_entry_each_and_one_for_all(
    ask: Any, confirm: Any, admin_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_jobman.admin.steering.sweeps.MANY", 2)
    jobs = [_failed() for _ in range(3)]
    running_job(queue="other")
    query = "?state__exact=failed&queue=celery"

    confirm(ask("retry_jobs", jobs[0], across=True, query=query), query, reason="fixed")

    (whole,) = JobAction.objects.filter(job_id=None)
    assert (whole.verb, whole.user_id, whole.reason) == ("retry", admin_user.pk, "fixed")
    assert whole.changes == {
        "filter": {"state__exact": "failed", "queue": "celery"},
        "count": 3,
        "skipped": 0,
        "left": 0,
    }
    assert {row.job_id for row in JobAction.objects.exclude(job_id=None)} == {j.pk for j in jobs}
    assert not LogEntry.objects.exists()


@override_settings(JOBMAN={"BULK_LIMIT": 2})
def test_no_more_than_the_limit_is_counted_and_done(ask: Any, confirm: Any, said: Any) -> None:
    jobs = [_failed() for _ in range(4)]
    with CaptureQueriesContext(connection) as queries:
        page = ask("forget_jobs", jobs[0], across=True)

    assert "newest 2" in page.content.decode()
    assert not [q["sql"] for q in queries if "COUNT(" in q["sql"] and "jobman_job" in q["sql"]]
    assert said(confirm(page)) == "2 deleted"


def test_a_filter_that_no_column_takes_is_kept_in_the_audit(
    ask: Any, confirm: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_jobman.admin.steering.sweeps.MANY", 0)
    query = "?_after=%00&o=%00&e=%ED%A0%80"

    assert said(confirm(ask("forget_jobs", _failed(), across=True, query=query), query))
    assert "_after" not in JobAction.objects.get(job_id=None).changes["filter"]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has time for two jobs."""
    clock = iter(range(1, 10_000))
    monkeypatch.setattr("celery_jobman.admin.steering.sweeps.PATIENCE", 2.5)
    stopped = SimpleNamespace(monotonic=clock.__next__)
    monkeypatch.setattr("celery_jobman.admin.steering.sweeps.time", stopped)


@pytest.mark.usefixtures("slow")
def test_what_was_left_is_gone_on_with_by_one_click(ask: Any, confirm: Any, said: Any) -> None:
    jobs = [_failed() for _ in range(5)]
    query = "?state__exact=failed"

    page = ask("retry_jobs", jobs[0], across=True, query=query)
    first = confirm(page, query, reason="fixed", priority="3")
    later = _failed()  # matches as well, and was on no page
    second = confirm(first, query)
    third = confirm(second, query)

    assert "2 retried, 3 left" in said(first)
    assert "Go on with the 3 that are left" in first.content.decode()
    assert "2 retried, 1 left" in said(second)
    assert said(third) == "1 retried"
    rows = JobAction.objects.filter(verb="retry").values_list("job_id", "reason")
    assert set(rows) == {(job.pk, "fixed") for job in jobs}
    assert {job.priority for job in Job.objects.filter(state=State.SCHEDULED)} == {3}
    later.refresh_from_db()
    assert later.state == State.FAILED


@pytest.mark.usefixtures("slow")
def test_what_is_left_needs_no_number_again(
    ask: Any, confirm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_jobman.admin.steering.bulk.CROWD", 2)

    left = confirm(ask("forget_jobs", *[_failed() for _ in range(5)]), number="5")

    assert "number" not in left.context["form"].fields
    confirm(confirm(left))
    assert not Job.objects.exists()


@pytest.mark.usefixtures("slow")
def test_what_is_left_and_moved_on_is_left_alone(ask: Any, confirm: Any, said: Any) -> None:
    jobs = [_failed() for _ in range(4)]
    left = confirm(ask("retry_jobs", *jobs))
    Job.objects.filter(pk=jobs[0].pk).update(finished_at=timezone.now())

    assert "1 retried, 1 skipped" in said(confirm(left))


@pytest.mark.parametrize("rest", ["nonsense", "WzFd:1:x", "a" * 5000])
def test_a_remainder_that_was_not_given_out_does_nothing(ask: Any, confirm: Any, rest: str) -> None:
    page = ask("forget_jobs", _failed())

    answer = confirm(page, rest=rest)

    assert "could not be read" in answer.content.decode()
    assert Job.objects.count() == 1


def test_retries_are_spread_evenly(ask: Any, confirm: Any) -> None:
    jobs = [_failed() for _ in range(4)]
    began = timezone.now()

    confirm(ask("retry_jobs", *jobs), when="spread", minutes="8")

    times = _times()
    assert {job.state for job in Job.objects.all()} == {State.SCHEDULED}
    assert _gaps(times) == [timedelta(minutes=2)] * 2
    assert began <= times[0] <= timezone.now() < times[1] <= times[0] + timedelta(minutes=2)
    verbs = JobAction.objects.filter(job_id=jobs[0].pk).values_list("verb", flat=True)
    assert list(verbs) == ["retry"]


@pytest.mark.usefixtures("slow")
def test_the_spread_goes_on_where_it_stopped(ask: Any, confirm: Any) -> None:
    page = ask("retry_jobs", *[_failed() for _ in range(4)])

    confirm(confirm(page, when="spread", minutes="8"))

    times = _times()
    assert _gaps(times) == [timedelta(minutes=2)] * 2


@pytest.mark.parametrize(("number", "when"), [(100, "now"), (101, "spread")])
def test_many_retries_are_spread_unless_asked_otherwise(ask: Any, number: int, when: str) -> None:
    page = ask("retry_jobs", *[_failed() for _ in range(number)])

    assert page.context["form"]["when"].value() == when


def test_one_retry_is_not_spread(ask: Any) -> None:
    form = ask("retry_jobs", _failed()).context["form"]

    assert not {"when", "minutes"} & set(form.fields)


@pytest.mark.parametrize("minutes", ["", "0", "-1", "x", "99999999", "1.5"])
def test_minutes_that_are_none_are_refused(ask: Any, confirm: Any, minutes: str) -> None:
    page = ask("retry_jobs", _failed(), _failed())

    answer = confirm(page, when="spread", minutes=minutes)

    assert answer.context["form"].errors["minutes"]
    assert not JobAction.objects.exists()


def test_retries_get_a_priority_or_keep_theirs(ask: Any, confirm: Any) -> None:
    job, other = _failed(priority=7), _failed(priority=7)

    confirm(ask("retry_jobs", job), priority="3")
    confirm(ask("retry_jobs", other), priority="")

    assert list(Job.objects.order_by("id").values_list("priority", flat=True)) == [3, 7]


def test_the_page_says_since_when_changes_count(ask: Any) -> None:
    page = ask("retry_jobs", _failed())

    seen = page.context["since"]
    assert seen.endswith(" UTC")
    assert f"whose state has changed since {seen} are left alone" in page.content.decode()


@pytest.mark.parametrize(
    ("across", "query", "words"),
    [
        (False, "?state=failed", "The jobs that were ticked in the list."),
        (True, "", "All jobs: the list has no filter."),
        (True, "?state=failed&q=task%3Ademo.add&when=", "search: task:demo.add"),
    ],
)
def test_the_page_says_which_jobs_are_meant(
    ask: Any, *, across: bool, query: str, words: str
) -> None:
    assert words in ask("retry_jobs", _failed(), across=across, query=query).content.decode()


@pytest.mark.parametrize("given", ["nothing", "", "<script>", "\x00"])
def test_ids_that_are_none_are_refused(admin_client: Client, said: Any, given: str) -> None:
    fields = {"action": "forget_jobs", "select_across": "0", "_selected_action": given}

    answer = admin_client.post(reverse(LIST), {**fields, "index": "0"})

    assert answer.status_code == 302
    assert "could not be read" in said(answer)


@pytest.mark.parametrize("fields", [{"seen": "x"}, {"expected": "x"}, {"reason": "\x00"}])
def test_a_form_that_was_tampered_with_does_nothing(
    ask: Any, confirm: Any, fields: dict[str, str]
) -> None:
    page = ask("forget_jobs", _failed())

    assert confirm(page, **fields).status_code == 200
    assert Job.objects.count() == 1


def test_a_job_that_is_gone(ask: Any, said: Any) -> None:
    page = ask("forget_jobs", Job(pk=UUID(int=0)))

    assert said(page) == "No job matches any more."


def test_actions_without_permission_are_not_there(client_with: Any) -> None:
    job = running_job()
    client = client_with("view_job", "retry_job")
    fields = {"select_across": "0", "index": "0", "_selected_action": str(job.pk)}

    page = client.get(reverse(LIST)).content.decode()
    answer = client.post(reverse(LIST), {**fields, "action": "cancel_jobs", "seen": "2030-01-01"})

    assert "retry_jobs" in page
    assert "cancel_jobs" not in page
    assert answer.status_code == 302
    assert not JobAction.objects.exists()


def forbid(user: object, deed: str, job: Job) -> bool | None:  # noqa: ARG001
    """A project's rule."""
    return False if deed == "retry" and job.queue == "closed" else None


@override_settings(JOBMAN={"CAN": f"{__name__}.forbid"})
def test_the_projects_rule_is_asked_for_each_job(
    ask: Any, confirm: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_jobman.admin.access.import_string", lambda _path: forbid)
    page = ask("retry_jobs", _failed(), _failed(queue="closed"))

    assert said(confirm(page)) == "1 retried, 1 skipped (not permitted)"
