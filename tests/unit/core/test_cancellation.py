from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from celery_jobman import signals
from celery_jobman.core import attempts, cancellation
from celery_jobman.core.cancellation import cancel, stop_by_force
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Attempt, Job, JobAction, Outcome
from celery_jobman.states import FINAL, WAITING, State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    job_in,
    next_run_of,
    queued_job,
    running_job,
    scheduled_job,
)

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", sorted(WAITING))
def test_a_waiting_job_is_cancelled_at_once(state: State) -> None:
    job = job_in(state)

    answer = cancel(job.id, now=NOON)

    job.refresh_from_db()
    assert answer == State.CANCELLED
    assert (job.state, job.finished_at, job.cancel_requested_at) == (State.CANCELLED, NOON, NOON)


def test_its_message_is_dropped_when_it_arrives() -> None:
    job = queued_job()
    cancel(job.id, now=NOON)

    assert not attempts.claim(next_run_of(job), delivery=1)


def test_a_running_job_is_asked_to_stop() -> None:
    job = running_job()

    answer = cancel(job.id, now=NOON)

    job.refresh_from_db()
    assert answer == State.RUNNING
    assert (job.state, job.cancel_requested_at) == (State.RUNNING, NOON)
    assert not job.cancel_forced


def test_asking_again_keeps_the_first_moment_and_may_add_force() -> None:
    job = running_job(cancel_requested_at=EARLIER)

    cancel(job.id, now=NOON, force=True)

    job.refresh_from_db()
    assert (job.cancel_requested_at, job.cancel_forced) == (EARLIER, True)


def test_asking_again_without_force_does_not_take_the_force_back() -> None:
    job = running_job()
    cancel(job.id, now=NOON, force=True)

    answer = cancel(job.id, now=LATER)

    job.refresh_from_db()
    assert answer == State.RUNNING
    assert job.cancel_forced


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_job_that_has_ended_is_left_alone(state: State) -> None:
    job = job_in(state)

    with pytest.raises(
        TransitionRefused, match=f"is {state} and cannot be cancelled; it has ended"
    ):
        cancel(job.id, now=LATER)

    job.refresh_from_db()
    assert (job.state, job.finished_at, job.cancel_requested_at) == (state, NOON, None)
    assert not JobAction.objects.exists()


def test_a_job_that_is_gone_is_not_found() -> None:
    with pytest.raises(JobNotFound):
        cancel(uuid4(), now=NOON)


def test_a_job_that_ends_while_it_is_being_cancelled_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = running_job()
    ask = cancellation._ask_running

    def end_first(*args: Any) -> State:
        Job.objects.filter(pk=job.id).update(state=State.SUCCEEDED, finished_at=NOON)
        return ask(*args)

    monkeypatch.setattr(cancellation, "_ask_running", end_first)

    with pytest.raises(TransitionRefused, match="is succeeded and cannot be cancelled"):
        cancel(job.id, now=LATER)


def test_a_job_that_is_put_back_while_it_is_being_asked_can_be_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = running_job()
    ask = cancellation._ask_running

    def put_back_first(*args: Any) -> State:
        Job.objects.filter(pk=job.id).update(state=State.SCHEDULED, available_at=NOON)
        return ask(*args)

    monkeypatch.setattr(cancellation, "_ask_running", put_back_first)

    with pytest.raises(TransitionRefused, match="is being moved, ask again"):
        cancel(job.id, now=LATER)


def test_who_cancelled_it_and_why_is_audited() -> None:
    job = queued_job()

    cancel(job.id, now=NOON, actor="ana", reason="wrong file")

    action = JobAction.objects.get(job_id=job.id)
    assert (action.verb, action.actor, action.reason, action.at) == (
        "cancel", "ana", "wrong file", NOON,
    )  # fmt: skip
    assert action.changes == {"state": "cancelled", "force": False}


def test_cancelling_a_waiting_job_is_three_statements(budget: Budget) -> None:
    job = queued_job()

    with budget(3):
        cancel(job.id, now=NOON, actor="ana")


def test_asking_a_running_job_is_three_statements(budget: Budget) -> None:
    job = running_job()

    with budget(3):
        cancel(job.id, now=NOON, actor="ana")


def test_the_end_of_a_waiting_job_is_announced(
    django_capture_on_commit_callbacks: Commit,
) -> None:
    heard: list[Any] = []

    def listen(job_id: Any, state: State, attempt: int, **_: Any) -> None:
        heard.append((job_id, state, attempt))

    job = scheduled_job(attempt=2)
    signals.job_finished.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        cancel(job.id, now=NOON)
    signals.job_finished.disconnect(listen)

    assert heard == [(job.id, State.CANCELLED, 2)]


def test_a_process_about_to_be_killed_leaves_a_cancelled_job() -> None:
    job = running_job(worker_id=uuid4(), pid=4711)

    assert stop_by_force(job, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.finished_at) == (State.CANCELLED, NOON)
    assert Attempt.objects.get(job=job).outcome == Outcome.CANCELLED


def test_a_process_whose_attempt_has_just_ended_is_not_killed() -> None:
    read = running_job()
    Job.objects.filter(pk=read.id).update(state=State.SUCCEEDED, finished_at=NOON)

    assert not stop_by_force(read, now=NOON)
    assert not Attempt.objects.exists()
