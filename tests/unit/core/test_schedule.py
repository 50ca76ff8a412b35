from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import signals
from celery_jobman.core import attempts, schedule
from celery_jobman.core.cancellation import cancel
from celery_jobman.core.retries import retry
from celery_jobman.core.schedule import (
    REFUSED_DELAY,
    dispatch,
    expire,
    hold,
    put_back,
    send,
)
from celery_jobman.exceptions import UnknownTask
from celery_jobman.models import Job
from celery_jobman.states import FINAL, State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    job_in,
    next_run_of,
    queued_job,
    scheduled_job,
)

if TYPE_CHECKING:
    from uuid import UUID

    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def refuse(_: Job) -> None:
    raise ConnectionError("broker is away")


def test_a_refused_message_that_arrives_all_the_same_may_claim_the_job() -> None:
    job = scheduled_job()

    dispatch(job, refuse, now=NOON)

    assert attempts.claim(next_run_of(job), delivery=job.delivery)


@pytest.mark.parametrize(
    "changes", [{"state": State.QUEUED}, {"delivery": 2}, {"state": State.BLOCKED}]
)
def test_of_two_dispatchers_one_sends(changes: dict[str, Any]) -> None:
    job = scheduled_job()
    Job.objects.filter(pk=job.id).update(**changes)
    sent: list[Job] = []

    assert dispatch(job, sent.append, now=NOON) is None
    assert sent == []


def test_a_dispatch_is_one_statement(budget: Budget) -> None:
    job = scheduled_job()

    with budget(1):
        dispatch(job, lambda _: None, now=NOON)


def test_a_message_that_leaves_changes_nothing_more(budget: Budget) -> None:
    job = queued_job()
    sent: list[Job] = []

    with budget(0):
        assert send(job, sent.append, now=NOON)
    assert sent == [job]


def test_a_message_that_is_refused_puts_the_job_back() -> None:
    job = queued_job()

    assert not send(job, refuse, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.dispatch_error) == (State.SCHEDULED, "ConnectionError: broker is away")


@pytest.mark.parametrize("changes", [{"delivery": 2}, {"state": State.BLOCKED}])
def test_a_job_that_moved_on_is_not_put_back(changes: dict[str, Any]) -> None:
    job = queued_job()
    Job.objects.filter(pk=job.id).update(**changes)

    hold(job.id, 1, ConnectionError("away"), now=NOON)

    job.refresh_from_db()
    assert (job.available_at, job.dispatch_error) == (None, "")


@pytest.mark.parametrize("text", ["x" * 5000, "a\x00b", "a\ud800b"])
def test_any_refusal_can_be_noted(text: str) -> None:
    job = queued_job()

    hold(job.id, 1, ConnectionError(text), now=NOON)

    job.refresh_from_db()
    assert job.state == State.SCHEDULED
    assert 0 < len(job.dispatch_error) <= 1000


def test_a_refusal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    job = queued_job()

    hold(job.id, 1, ConnectionError("broker is away"), now=NOON)

    assert f"Message was refused job={job.id}" in caplog.text


def test_since_when_the_broker_takes_no_message_is_kept_over_all_its_refusals() -> None:
    job = scheduled_job(available_at=EARLIER)
    dispatch(job, refuse, now=EARLIER)
    job.refresh_from_db()

    dispatch(job, refuse, now=NOON)

    job.refresh_from_db()
    assert (job.refused_at, job.available_at) == (EARLIER, NOON + REFUSED_DELAY)


def test_a_refusal_after_the_broker_took_a_message_is_the_first_again() -> None:
    job = scheduled_job(available_at=EARLIER)
    dispatch(job, refuse, now=EARLIER)
    job.refresh_from_db()
    dispatch(job, lambda _: None, now=NOON)
    put_back(job.id, job.delivery, now=NOON)
    job.refresh_from_db()

    dispatch(job, refuse, now=LATER)

    job.refresh_from_db()
    assert job.refused_at == LATER


@pytest.mark.parametrize(("expires", "state"), [(NOON, State.CANCELLED), (LATER, State.QUEUED)])
def test_an_expired_job_is_cancelled_instead_of_sent(expires: Any, state: State) -> None:
    job = scheduled_job(expires_at=expires)
    told: list[UUID] = []
    sent: list[Job] = []

    dispatch(job, sent.append, now=NOON, expired=told.append)

    job.refresh_from_db()
    assert job.state == state
    assert (told, sent) == (([job.id], []) if state == State.CANCELLED else ([], [job]))


def test_dispatching_one_expired_job_sends_nothing() -> None:
    job = scheduled_job(expires_at=NOON)
    told: list[UUID] = []

    assert dispatch(job, refuse, now=NOON, expired=told.append) is None
    job.refresh_from_db()
    assert told == [job.id]
    assert job.error_message == "it expired before a worker began it"


def test_a_job_that_was_retried_since_it_was_read_does_not_expire() -> None:
    job = scheduled_job(expires_at=NOON)
    cancel(job.id, now=NOON)
    retry(job.id, now=NOON)

    assert dispatch(job, refuse, now=NOON) is None
    job.refresh_from_db()
    assert job.state == State.SCHEDULED


@pytest.mark.parametrize("state", sorted({*FINAL, State.RUNNING}))
def test_a_job_that_began_in_time_cannot_expire(state: State) -> None:
    job = job_in(state, expires_at=EARLIER)

    assert not expire(job.id, now=NOON)
    job.refresh_from_db()
    assert job.state == state


def test_a_job_that_another_took_meanwhile_is_not_reported_as_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = scheduled_job(expires_at=EARLIER)
    told: list[UUID] = []
    monkeypatch.setattr(schedule, "expire", lambda *_, **__: False)

    dispatch(job, refuse, now=NOON, expired=told.append)

    assert told == []


def test_the_end_of_an_expired_job_is_announced(
    django_capture_on_commit_callbacks: Commit,
) -> None:
    heard: list[Any] = []

    def listen(job_id: Any, state: State, **_: Any) -> None:
        heard.append((job_id, state))

    job = scheduled_job(expires_at=EARLIER)
    signals.job_finished.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        expire(job.id, now=NOON)
    signals.job_finished.disconnect(listen)

    assert heard == [(job.id, State.CANCELLED)]


def test_a_message_that_a_stopping_worker_took_is_put_back_at_once() -> None:
    job = queued_job(delivery=3)

    assert put_back(job.id, 3, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.available_at) == (State.SCHEDULED, NOON)


@pytest.mark.parametrize("changes", [{"delivery": 4}, {"state": State.BLOCKED}])
def test_a_job_that_moved_on_from_that_message_is_not(changes: dict[str, Any]) -> None:
    job = queued_job(delivery=3)
    Job.objects.filter(pk=job.id).update(**changes)

    assert not put_back(job.id, 3, now=NOON)


def test_only_what_the_broker_did_not_take_waits_for_it() -> None:
    held = scheduled_job(dispatch_error="OperationalError: refused")
    scheduled_job(dispatch_error=f"UnknownTask: {UnknownTask('shop.new')}")
    scheduled_job()

    assert list(schedule.refused()) == [held]
