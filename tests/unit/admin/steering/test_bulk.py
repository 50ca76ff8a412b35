from __future__ import annotations

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
    assert ("state__exact", "failed") in page.context["filtered_by"]
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


def test_many_must_be_confirmed_by_their_number(ask: Any, confirm: Any, said: Any) -> None:
    jobs = [_failed() for _ in range(101)]
    page = ask("forget_jobs", *jobs)

    assert confirm(page, number="100").context["form"].errors["number"]
    assert Job.objects.count() == 101
    assert said(confirm(page, number="101")) == "101 deleted"
    assert not LogEntry.objects.exists()


@override_settings(JOBMAN={"BULK_LIMIT": 2})
def test_no_more_than_the_limit_is_counted_and_done(ask: Any, confirm: Any, said: Any) -> None:
    jobs = [_failed() for _ in range(4)]
    with CaptureQueriesContext(connection) as queries:
        page = ask("forget_jobs", jobs[0], across=True)

    assert "newest 2" in page.content.decode()
    assert not [q["sql"] for q in queries if "COUNT(" in q["sql"] and "jobman_job" in q["sql"]]
    assert said(confirm(page)) == "2 deleted"


def test_what_takes_too_long_is_left(
    ask: Any, confirm: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_jobman.admin.steering.sweeps.PATIENCE", 0.0)

    assert "1 not reached in time" in said(confirm(ask("forget_jobs", _failed())))
    assert Job.objects.count() == 1


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
