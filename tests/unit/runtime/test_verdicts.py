from __future__ import annotations

import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import Ignore, MaxRetriesExceededError, Reject, Retry
from django.utils import timezone

from celery_jobman.exceptions import (
    ClaimLost,
    JobCancelled,
    JobFailed,
    JobGivenUp,
    JobInterrupted,
    JobReleased,
    JobSkipped,
)
from celery_jobman.models import Job, Outcome
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime.outcomes import TERMINATED, hopeless, judge, returned
from celery_jobman.states import State
from tests.factories import LATER, NOON, running_job

if TYPE_CHECKING:
    from celery import Task

    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


#: What ends a body on purpose: outcome, state, and what Celery is told.
ON_PURPOSE = [
    (JobCancelled(), Outcome.CANCELLED, State.CANCELLED, Ignore),
    (JobInterrupted(), Outcome.INTERRUPTED, State.SCHEDULED, Retry),
    (JobReleased(30), Outcome.RELEASED, State.SCHEDULED, Retry),
    (JobSkipped("nothing new"), Outcome.SUCCEEDED, State.SUCCEEDED, type(None)),
    (JobGivenUp("no stock"), Outcome.FAILED, State.FAILED, JobFailed),
    (Ignore(), Outcome.SUCCEEDED, State.SUCCEEDED, Ignore),
    (Reject("no"), Outcome.FAILED, State.FAILED, Reject),
    (Reject("later", requeue=True), Outcome.RELEASED, State.SCHEDULED, Ignore),
    (Retry(exc=ValueError()), Outcome.FAILED, State.SCHEDULED, Retry),
    (Retry("again"), Outcome.RELEASED, State.SCHEDULED, Retry),
    (SystemExit(1), Outcome.FAILED, State.FAILED, SystemExit),
    (SystemExit(TERMINATED), Outcome.INTERRUPTED, State.SCHEDULED, SystemExit),
    (KeyboardInterrupt(), Outcome.FAILED, State.FAILED, KeyboardInterrupt),
    (MemoryError(), Outcome.FAILED, State.FAILED, MemoryError),
    (MaxRetriesExceededError("x"), Outcome.FAILED, State.FAILED, MaxRetriesExceededError),
]


@pytest.mark.parametrize(("error", "outcome", "to", "told"), ON_PURPOSE)
def test_what_an_end_means_for_the_job_and_what_celery_is_told(
    task: Task,
    running: Running,
    error: BaseException,
    outcome: Outcome,
    to: State,
    told: type[BaseException],
) -> None:
    verdict = judge(error, task, running(running_job()))

    assert verdict.ending is not None
    assert (verdict.ending.outcome, verdict.ending.to) == (outcome, to)
    assert isinstance(verdict.error, told)
    assert (verdict.ending.available_at is not None) is (to == State.SCHEDULED)


def test_an_attempt_that_lost_its_job_may_write_nothing(task: Task, running: Running) -> None:
    job = running(running_job())
    Job.objects.update(attempt=2)

    verdict = judge(ClaimLost(), task, job)

    assert verdict.ending is None
    assert isinstance(verdict.error, Ignore)


def test_an_attempt_that_only_lost_a_row_of_its_own_has_failed(
    task: Task, running: Running
) -> None:
    verdict = judge(ClaimLost(), task, running(running_job()))

    assert verdict.ending is not None
    assert verdict.ending.to == State.FAILED


def test_an_attempt_that_still_holds_its_job_must_end_it(task: Task, running: Running) -> None:
    verdict = judge(ClaimLost(), task, running(running_job()))

    assert verdict.ending is not None
    assert verdict.ending.to == State.FAILED


def test_a_release_says_when(task: Task, running: Running) -> None:
    verdict = judge(JobReleased(30), task, running(running_job()))

    assert verdict.ending is not None
    assert verdict.ending.available_at == NOON + timedelta(seconds=30)


def test_a_skip_leaves_its_code(task: Task, running: Running) -> None:
    verdict = judge(JobSkipped("nothing new"), task, running(running_job()))

    assert verdict.ending is not None
    assert verdict.ending.changes == {"completed_code": "nothing new"}


def test_an_end_that_cannot_be_judged_is_a_failure_for_good() -> None:
    trouble = ValueError("no such judge")

    verdict = hopeless(trouble)

    assert verdict.ending is not None
    assert (verdict.ending.to, verdict.error) == (State.FAILED, trouble)


def test_a_job_that_gave_up_says_why_and_is_not_tried_again(task: Task, running: Running) -> None:
    verdict = judge(JobGivenUp("no stock"), task, running(running_job(max_attempts=5)))

    assert verdict.ending is not None
    assert verdict.ending.to == State.FAILED
    assert str(verdict.error) == verdict.ending.fault.error_message == "no stock"


def test_a_retry_brings_what_the_next_attempt_gets(task: Task, running: Running) -> None:
    job = running(running_job())
    job.next_attempt = {"retries": 2, "args": "[7]", "available_at": LATER}

    verdict = judge(Retry(exc=ValueError("busy")), task, job)

    assert verdict.ending is not None
    assert (verdict.ending.available_at, verdict.ending.fault.error_message) == (LATER, "busy")
    assert verdict.ending.changes == {"retries": 2, "args": "[7]"}


def test_a_retry_without_a_time_is_for_now(task: Task, running: Running) -> None:
    job = running(running_job())
    job.next_attempt = {"retries": 1, "available_at": None}

    verdict = judge(Retry("again"), task, job)

    assert verdict.ending is not None
    assert verdict.ending.available_at == NOON


@pytest.mark.parametrize("error", [Ignore(), None])
def test_a_task_that_replaced_itself_names_its_successor(
    task: Task, running: Running, error: Ignore | None
) -> None:
    job = running(running_job())
    job.replaced_by = uuid7()

    verdict = judge(error, task, job) if error else returned(task, job, None)

    assert verdict.ending is not None
    assert verdict.ending.changes["completed_code"] == "replaced"
    assert verdict.ending.changes.get("replaced_by") == job.replaced_by


def test_an_ignored_task_says_so(task: Task, running: Running) -> None:
    verdict = judge(Ignore(), task, running(running_job()))

    assert verdict.ending is not None
    assert verdict.ending.changes["completed_code"] == "ignored"


@pytest.mark.parametrize(
    ("timelimit", "outcome"),
    [
        (None, Outcome.INTERRUPTED),
        ((None, None), Outcome.INTERRUPTED),
        ((3600, None), Outcome.INTERRUPTED),
    ],
)
def test_a_process_told_to_stop_was_interrupted(
    task: Task,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    timelimit: Any,
    outcome: Outcome,
) -> None:
    monkeypatch.setattr(time, "time", NOON.timestamp)
    job = running(running_job(), timelimit=timelimit)

    verdict = judge(SystemExit(TERMINATED), task, job)

    assert verdict.ending is not None
    assert verdict.ending.outcome == outcome


def test_a_process_killed_by_its_time_limit_leaves_the_end_to_the_main_process(
    task: Task, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", NOON.timestamp)
    error = SystemExit(TERMINATED)

    verdict = judge(error, task, running(running_job(), timelimit=(60, None)))

    assert (verdict.ending, verdict.error) == (None, error)


def test_the_exit_code_of_a_terminated_process_is_billiards() -> None:
    assert -(256 - signal.SIGTERM) == TERMINATED


@pytest.mark.parametrize(
    "error", [ValueError(), Retry("again"), JobReleased(), Reject("no", requeue=True)]
)
def test_an_eager_job_waits_for_nobodys_dispatcher(
    task: Task, running: Running, error: BaseException
) -> None:
    job = running(running_job(max_attempts=2, eager=True), is_eager=True, args=[1], kwargs={})

    verdict = judge(error, task, job)

    assert verdict.ending is not None
    assert verdict.ending.to == State.QUEUED


def test_an_eager_failure_brings_the_call_that_runs_next(task: Task, running: Running) -> None:
    job = running(running_job(max_attempts=2), is_eager=True, args=[1], kwargs={"y": 2})

    verdict = judge(ValueError(), task, job)

    assert isinstance(verdict.error, Retry)
    assert verdict.error.is_eager
    assert (verdict.error.sig.args, verdict.error.sig.kwargs) == ((1,), {"y": 2})


@pytest.mark.parametrize(
    ("when", "moment"),
    [(3, NOON + timedelta(seconds=3)), (LATER, LATER), (None, NOON + timedelta(seconds=180))],
)
@pytest.mark.parametrize("error", [None, ValueError("busy")])
def test_a_retry_that_nothing_announced_waits_as_long_as_it_says(
    task: Task, running: Running, error: Exception | None, when: Any, moment: Any
) -> None:
    job = running(running_job(), retries=1)

    verdict = judge(Retry("later", exc=error, when=when), task, job)

    assert verdict.ending is not None
    assert (verdict.ending.to, verdict.ending.available_at) == (State.SCHEDULED, moment)
    assert verdict.ending.changes == {"retries": 2}
    assert verdict.ending.outcome == (Outcome.FAILED if error else Outcome.RELEASED)


def test_a_retry_that_nothing_announced_says_a_naive_moment_in_djangos_zone(
    task: Task, running: Running
) -> None:
    naive = timezone.make_naive(LATER)

    verdict = judge(Retry("later", when=naive), task, running(running_job()))

    assert verdict.ending is not None
    assert verdict.ending.available_at == LATER


@pytest.mark.parametrize("error", [None, ValueError("busy")])
def test_retries_that_nothing_announced_have_celerys_limit(
    task: Task, running: Running, error: Exception | None
) -> None:
    job = running(running_job(), retries=task.max_retries)

    verdict = judge(Retry("later", exc=error, when=3), task, job)

    assert verdict.ending is not None
    assert verdict.ending.to == State.FAILED
    assert verdict.error is error if error else "was retried 3 times" in str(verdict.error)


def test_an_eager_retry_that_nothing_announced_runs_next(task: Task, running: Running) -> None:
    job = running(running_job(eager=True), is_eager=True, args=[1], kwargs={"y": 2}, retries=0)

    verdict = judge(Retry("later", when=3), task, job)

    assert isinstance(verdict.error, Retry)
    assert verdict.error.sig.args == (1,)
    assert verdict.ending is not None
    assert verdict.ending.to == State.QUEUED
