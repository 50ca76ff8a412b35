from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from django.utils import timezone

from celery_jobman.models import Job, JobAction, Outcome
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import broker, losses, results
from celery_jobman.runtime.identity import Identity
from celery_jobman.runtime.losses import UNKNOWN_DELAY, Loss, settle
from celery_jobman.runtime.messages import header
from celery_jobman.states import FINAL, State
from tests.factories import NOON, job_in, queued_job, running_job

if TYPE_CHECKING:
    from celery import Task

pytestmark = pytest.mark.django_db

ME = Identity(uuid7(), "w1@host", "prefork")
KILLED = WorkerLostError("signal 9")
TIMED_OUT = TimeLimitExceeded(60)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Note what Celery is told."""
    told = Mock()
    for name in ("failed", "ended", "cancelled"):
        monkeypatch.setattr(results, name, getattr(told, name))
    return told


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    messages: list[Job] = []
    monkeypatch.setattr(broker, "publish", messages.append)
    return messages


def held_job(**fields: Any) -> Job:
    return running_job(**{"worker_id": ME.worker_id, "pid": 4711, **fields})


def loss_of(job: Job, error: Exception = KILLED, **fields: Any) -> Loss:
    known = {"task_id": job.task_id, "pid": 4711, "header": header(job), "why": "it was killed"}
    return Loss(**{**known, "error": error, **fields})


def test_the_job_of_a_killed_process_is_put_back(told: Mock) -> None:
    job = held_job()

    settle(loss_of(job), ME)

    job.refresh_from_db()
    assert (job.state, job.crashes, job.error_message) == (State.SCHEDULED, 1, "it was killed")
    assert job.attempts.get().outcome == Outcome.LOST
    told.failed.assert_not_called()


def test_a_job_lost_for_good_is_told_to_celery_with_its_error(told: Mock) -> None:
    job = held_job(max_attempts=1)

    settle(loss_of(job), ME)

    told.failed.assert_called_once_with(job.id, KILLED)


def test_a_hard_time_limit_waits_for_the_tasks_backoff(task: Task) -> None:
    task.backoff = [10, 60]
    job = held_job(max_attempts=5, failures=1)

    settle(loss_of(job, TIMED_OUT), ME)

    job.refresh_from_db()
    assert (job.state, job.available_at) == (State.SCHEDULED, NOON + timedelta(seconds=60))
    assert job.attempts.get().outcome == Outcome.TIMED_OUT


def test_a_hard_time_limit_can_be_final(task: Task) -> None:
    task.fail_on_timeout = True
    job = held_job(max_attempts=5)

    settle(loss_of(job, TIMED_OUT), ME)

    job.refresh_from_db()
    assert job.state == State.FAILED


def test_a_task_this_process_does_not_know_has_no_backoff() -> None:
    job = held_job(max_attempts=5, task="demo.unknown")

    settle(loss_of(job, TIMED_OUT), ME)

    job.refresh_from_db()
    assert (job.state, job.available_at) == (State.SCHEDULED, NOON)


def test_a_cancelled_job_whose_process_was_killed_is_cancelled(told: Mock) -> None:
    job = held_job(cancel_requested_at=NOON)

    settle(loss_of(job), ME)

    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert told.ended.called


@pytest.mark.parametrize(
    "elsewhere", [{"pid": 1}, {"worker_id": uuid7()}, {"state": State.SCHEDULED}]
)
def test_a_job_that_runs_elsewhere_by_now_is_left_alone(
    sent: list[Job], elsewhere: dict[str, Any]
) -> None:
    job = held_job(available_at=NOON)
    Job.objects.update(**elsewhere)

    settle(loss_of(job), ME)

    assert sent == []
    assert not job.attempts.exists()


def test_a_process_that_died_before_the_claim_costs_nothing_but_a_message(
    sent: list[Job],
) -> None:
    job = queued_job()

    settle(loss_of(job), ME)

    job.refresh_from_db()
    assert sent == [job]
    assert (job.state, job.failures, job.crashes) == (State.QUEUED, 0, 0)


def test_a_foreign_message_of_a_dead_process_cannot_be_sent_again(sent: list[Job]) -> None:
    job = queued_job()

    settle(loss_of(job, header=None), ME)

    assert sent == []


def test_a_revoked_job_is_cancelled_and_says_by_whom() -> None:
    job = queued_job()

    losses.revoked(header(job), ME, expired=False)

    job.refresh_from_db()
    assert job.state == State.CANCELLED
    action = JobAction.objects.get(job_id=job.id)
    assert (action.actor, action.reason) == ("w1@host", "revoked through Celery")


def test_a_job_terminated_while_it_ran_is_cancelled() -> None:
    job = running_job(attempt=1, delivery=1)

    losses.revoked({**header(job), "attempt": 1}, ME, expired=False)

    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert job.attempts.get().outcome == Outcome.CANCELLED


def test_a_later_attempt_is_not_stopped_by_an_old_revoke() -> None:
    job = running_job(attempt=2)

    losses.revoked({**header(job), "attempt": 1}, ME, expired=False)

    job.refresh_from_db()
    assert job.state == State.RUNNING


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_revoke_that_comes_too_late_changes_nothing(state: State) -> None:
    job = job_in(state)

    losses.revoked(header(job), ME, expired=False)

    job.refresh_from_db()
    assert job.state == state


def test_a_revoke_of_a_job_that_is_gone_changes_nothing() -> None:
    job = queued_job()
    Job.objects.all().delete()

    losses.revoked(header(job), ME, expired=False)

    assert not JobAction.objects.exists()


def test_an_expired_message_expires_its_job() -> None:
    job = queued_job()

    losses.revoked(header(job), ME, expired=True)

    job.refresh_from_db()
    assert (job.state, job.error_message) == (
        State.CANCELLED, "it expired before a worker began it",
    )  # fmt: skip


def test_an_expired_message_of_an_older_delivery_expires_nothing() -> None:
    job = queued_job(delivery=2)

    losses.revoked({**header(job), "delivery": 1}, ME, expired=True)

    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_a_job_whose_task_is_not_known_here_waits_for_another_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = queued_job()

    losses.unknown(header(job), "demo.new", ME)

    job.refresh_from_db()
    assert (job.state, job.available_at) == (State.SCHEDULED, NOON + UNKNOWN_DELAY)
    assert "no task is registered as 'demo.new'" in job.dispatch_error
    assert "Task is not known here, its job waits task=demo.new worker=w1@host" in caplog.text
