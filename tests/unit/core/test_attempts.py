from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.db.models import Q

from celery_jobman.core import attempts, logs
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import Fault
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Attempt, Job, LogLine, Outcome
from celery_jobman.states import CLAIMABLE, State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    job_in,
    line,
    next_run_of,
    queued_job,
    run_of,
    running_job,
    scheduled_job,
    unsaved_job,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

SUCCESS = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})
FAULT = Fault(
    error_class="ValueError", error_message="no", traceback="Traceback …", fingerprint="f1"
)
FAILURE = Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=FAULT)
BACKOFF = Ending(outcome=Outcome.FAILED, to=State.SCHEDULED, fault=FAULT, available_at=LATER)
RELEASE = Ending(outcome=Outcome.RELEASED, to=State.SCHEDULED, available_at=LATER)


def test_a_claim_takes_the_job_for_one_attempt() -> None:
    job = queued_job(dispatch_error="refused once")
    worker_id = uuid4()

    claimed = attempts.claim(next_run_of(job, worker_id=worker_id, pid=4711), delivery=1)

    job.refresh_from_db()
    assert claimed
    assert (job.state, job.attempt, job.started_at) == (State.RUNNING, 1, NOON)
    assert (job.worker_id, job.pid, job.dispatch_error) == (worker_id, 4711, "")


def test_a_claim_is_one_statement(budget: Budget) -> None:
    job = queued_job()

    with budget(1):
        attempts.claim(next_run_of(job), delivery=1)


@pytest.mark.parametrize("state", State)
def test_only_a_queued_or_scheduled_job_can_be_claimed(state: State) -> None:
    job = job_in(state)

    assert attempts.claim(next_run_of(job), delivery=1) is (state in CLAIMABLE)


@pytest.mark.parametrize("moved_on", [{"delivery": 2}, {"attempt": 1}])
def test_a_stale_message_is_refused(moved_on: dict[str, int]) -> None:
    job = queued_job()
    Job.objects.filter(pk=job.id).update(**moved_on)

    assert not attempts.claim(next_run_of(job), delivery=1)


def test_the_same_message_delivered_twice_is_claimed_once() -> None:
    job = queued_job()

    claims = [attempts.claim(next_run_of(job), delivery=1) for _ in range(2)]

    assert claims == [True, False]


def test_a_job_that_is_gone_cannot_be_claimed() -> None:
    assert not attempts.claim(next_run_of(unsaved_job()), delivery=1)


def test_a_foreign_message_is_adopted_as_running() -> None:
    job = unsaved_job()

    attempts.adopt(job, next_run_of(job, pid=4711))

    row = Job.objects.get(pk=job.id)
    assert (row.state, row.attempt, row.delivery, row.pid) == (State.RUNNING, 1, 1, 4711)
    assert row.created_at == row.queued_at == row.started_at == NOON


def test_nobody_asked_a_job_to_stop() -> None:
    job = running_job()

    assert attempts.cancel_requested(job.id, 1) == (None, False)


def test_an_attempt_learns_that_it_was_asked_to_stop_and_how() -> None:
    job = running_job(cancel_requested_at=NOON, cancel_forced=True)

    assert attempts.cancel_requested(job.id, 1) == (NOON, True)


@pytest.mark.parametrize("number", [0, 2])
def test_an_attempt_that_lost_its_job_learns_that_instead(number: int) -> None:
    job = running_job()

    with pytest.raises(ClaimLost):
        attempts.cancel_requested(job.id, number)


def test_a_success_ends_the_job_and_leaves_a_row_of_the_attempt() -> None:
    job = running_job(worker_id=uuid4(), pid=4711, error_message="of the attempt before")
    run = run_of(job, hostname="w1@host", pid=4711, code_version="1.2", trigger="rescue")

    attempts.finish(run, SUCCESS, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.finished_at, job.result) == (State.SUCCEEDED, NOON, "3")
    assert (job.worker_id, job.pid, job.error_message) == (None, None, "")
    row = Attempt.objects.get(job=job)
    assert (row.number, row.outcome, row.finished_at) == (1, Outcome.SUCCEEDED, NOON)
    assert (row.hostname, row.pid, row.code_version, row.trigger) == (
        "w1@host", 4711, "1.2", "rescue",
    )  # fmt: skip


def test_a_failure_is_counted_and_described() -> None:
    job = running_job(failures=1)

    attempts.finish(run_of(job), FAILURE, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.failures, job.last_failed_at) == (State.FAILED, 2, NOON)
    assert (job.error_class, job.error_message, job.fingerprint) == ("ValueError", "no", "f1")
    row = Attempt.objects.get(job=job)
    assert (row.error_class, row.error_message, row.traceback) == (
        "ValueError", "no", "Traceback …",
    )  # fmt: skip


def test_a_failure_with_attempts_left_waits_for_its_backoff() -> None:
    job = running_job(trigger="operator")

    attempts.finish(run_of(job), BACKOFF, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.available_at, job.finished_at) == (State.SCHEDULED, LATER, None)
    assert (job.failures, job.trigger) == (1, "automatic")


def test_a_release_counts_as_no_failure() -> None:
    job = running_job()

    attempts.finish(run_of(job), RELEASE, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.failures, job.releases) == (State.SCHEDULED, 0, 1)
    assert job.last_failed_at is None


def test_a_lost_attempt_counts_as_a_failure_and_as_a_crash() -> None:
    job = running_job()
    lost = Ending(outcome=Outcome.LOST, to=State.SCHEDULED, fault=FAULT, available_at=LATER)

    attempts.finish(run_of(job), lost, now=NOON)

    job.refresh_from_db()
    assert (job.failures, job.crashes, job.releases) == (1, 1, 0)


def test_the_last_failure_stays_known_after_a_success() -> None:
    job = running_job(last_failed_at=EARLIER, fingerprint="f1")

    attempts.finish(run_of(job), SUCCESS, now=NOON)

    job.refresh_from_db()
    assert (job.last_failed_at, job.fingerprint) == (EARLIER, "")


def test_the_end_implies_that_the_log_is_complete() -> None:
    job = running_job()

    attempts.finish(run_of(job), SUCCESS, now=NOON, lines=[line(job, "one"), line(job, "two")])

    assert [row.message for row in LogLine.objects.filter(job_id=job.id)] == ["one", "two"]


def test_an_end_is_two_statements(budget: Budget) -> None:
    job = running_job()

    with budget(2):
        attempts.finish(run_of(job), SUCCESS, now=NOON)


def test_an_end_with_lines_is_three_statements(budget: Budget) -> None:
    job = running_job()

    with budget(3):
        attempts.finish(run_of(job), SUCCESS, now=NOON, lines=[line(job)] * 100)


@pytest.mark.parametrize("moved_on", [{"attempt": 2}, {"state": State.QUEUED}])
def test_a_frozen_worker_that_comes_back_writes_nothing(moved_on: dict[str, Any]) -> None:
    job = running_job()
    Job.objects.filter(pk=job.id).update(**moved_on)

    with pytest.raises(ClaimLost):
        attempts.finish(run_of(job), SUCCESS, now=NOON, lines=[line(job)])

    row = Job.objects.get(pk=job.id)
    assert (row.finished_at, row.result) == (None, None)
    assert not Attempt.objects.exists()
    assert not LogLine.objects.exists()


def test_a_guard_that_does_not_hold_lets_nothing_be_written() -> None:
    job = running_job()

    with pytest.raises(ClaimLost):
        attempts.finish(run_of(job), SUCCESS, now=NOON, guard=Q(pid=1))
    assert not Attempt.objects.exists()


def test_either_all_of_an_end_is_written_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_: Any) -> None:
        raise OperationalError("the database is away")

    job = running_job()
    monkeypatch.setattr(logs, "write", break_down)

    with pytest.raises(OperationalError, match="away"):
        attempts.finish(run_of(job), SUCCESS, now=NOON, lines=[line(job)])

    job.refresh_from_db()
    assert job.state == State.RUNNING
    assert not Attempt.objects.exists()


def test_what_was_written_is_returned() -> None:
    assert attempts.finish(run_of(running_job()), BACKOFF, now=NOON) == BACKOFF


@pytest.mark.parametrize("ending", [BACKOFF, RELEASE])
def test_a_job_that_was_asked_to_stop_gets_no_further_attempt(ending: Ending) -> None:
    job = running_job(cancel_requested_at=EARLIER)

    written = attempts.finish(run_of(job), ending, now=NOON)

    job.refresh_from_db()
    assert (written.outcome, written.to) == (Outcome.CANCELLED, State.CANCELLED)
    assert (job.state, job.finished_at) == (State.CANCELLED, NOON)
    assert Attempt.objects.get(job=job).outcome == Outcome.CANCELLED


def test_a_job_that_was_asked_to_stop_and_lost_stays_untouched() -> None:
    job = running_job(cancel_requested_at=EARLIER)
    Job.objects.filter(pk=job.id).update(attempt=2)

    with pytest.raises(ClaimLost):
        attempts.finish(run_of(job), RELEASE, now=NOON)


def test_a_job_that_was_asked_to_stop_may_still_succeed() -> None:
    job = running_job(cancel_requested_at=EARLIER)

    attempts.finish(run_of(job), SUCCESS, now=NOON)

    job.refresh_from_db()
    assert job.state == State.SUCCEEDED


def test_a_worker_may_be_quicker_than_the_dispatchers_commit() -> None:
    job = scheduled_job(delivery=3)

    assert attempts.claim(next_run_of(job), delivery=3)
