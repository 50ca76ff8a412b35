"""Jobs on a real worker that are stopped, taken away, put off or retried."""

from __future__ import annotations

import logging
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from celery import states
from django.db import connection, transaction
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.models import Job, JobAction, LogLine, Outcome, StepState
from celery_jobman.runtime import identity
from celery_jobman.states import State
from tests.factories import NOON
from tests.integration.workers import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import Make


def ended(result: Any) -> Job:
    """Return a job once it has ended."""
    jobs = Job.objects.filter(task_id=result.id).exclude(finished_at=None)
    return eventually(lambda: jobs.all().first())


def job_of(result: Any) -> Job:
    return Job.objects.get(task_id=result.id)


class Body:
    """A body that runs until it is stopped at a checkpoint, or told to go on."""

    def __init__(self, *, checkpoints: bool = True) -> None:
        self.begun, self.go_on = Event(), Event()
        self.checkpoints = checkpoints
        self.ended: list[str] = []

    def __call__(self, task: Any) -> None:
        self.begun.set()
        try:
            while not self.go_on.wait(0.005):
                if self.checkpoints:
                    task.progress(1)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise


def function_of(body: Body) -> Any:
    """Return a function that Celery can take for a task."""

    def run(self: Any) -> None:
        body(self)

    return run


@pytest.fixture
def body() -> Iterator[Body]:
    body = Body()
    yield body
    body.go_on.set()


def test_a_cancel_stops_a_job_at_its_next_checkpoint(employ: Make, body: Body) -> None:
    result = employ(function_of(body), max_attempts=5).delay()
    body.begun.wait(20)

    state = actions.cancel(job_of(result).id, actor="ana")

    job = ended(result)
    assert (state, job.state) == (State.RUNNING, State.CANCELLED)
    assert (body.ended, job.attempts.get().outcome) == (["JobCancelled"], Outcome.CANCELLED)
    eventually(lambda: result.state == states.REVOKED)


def test_a_forced_cancel_stops_a_body_without_checkpoints(employ: Make) -> None:
    body = Body(checkpoints=False)
    result = employ(function_of(body)).delay()
    body.begun.wait(20)

    actions.cancel(job_of(result).id, force=True)

    job = ended(result)
    assert (job.state, body.ended) == (State.CANCELLED, ["JobCancelled"])


def test_a_cancelled_job_that_waits_never_runs(employ: Make, body: Body) -> None:
    task = employ(function_of(body))
    first = task.delay()
    body.begun.wait(20)
    second = task.delay()

    actions.cancel(job_of(second).id)
    body.go_on.set()

    ended(first)
    job = ended(second)
    assert (job.state, job.attempt) == (State.CANCELLED, 0)
    assert second.state == states.REVOKED


def test_a_cancelled_job_is_retried_under_a_new_id(employ: Make, body: Body) -> None:
    result = employ(function_of(body)).delay()
    body.begun.wait(20)
    job = job_of(result)
    actions.cancel(job.id)
    ended(result)
    eventually(lambda: result.state == states.REVOKED)
    body.go_on.set()

    actions.retry(job.id)

    again = eventually(Job.objects.filter(pk=job.id, state=State.SUCCEEDED).first)
    assert again.task_id != result.id
    assert [row.outcome for row in again.attempts.all()] == ["cancelled", "succeeded"]


def test_a_worker_that_stops_interrupts_its_jobs_and_the_next_one_goes_on(employ: Make) -> None:
    seen: list[int] = []
    interrupted = Event()

    def load(self: Any) -> None:
        for number in self.iterate("load", range(6)):
            seen.append(number)
            if number == 2 and self.attempts == 1:
                identity.begin_stopping()
                interrupted.set()

    result = employ(load).delay()
    interrupted.wait(20)
    waiting = eventually(
        lambda: Job.objects.filter(task_id=result.id, attempt=1).exclude(state="running").first()
    )
    identity._shared[0] = 0

    job = ended(result)
    assert waiting.failures == 0
    assert (job.state, job.failures, seen) == (State.SUCCEEDED, 0, [0, 1, 2, 3, 4, 5])
    outcomes = list(job.attempts.values_list("outcome", flat=True))
    assert outcomes == [Outcome.INTERRUPTED, Outcome.SUCCEEDED]


def test_an_attempt_that_lost_its_job_stops_and_writes_nothing(employ: Make, body: Body) -> None:
    result = employ(function_of(body)).delay()
    body.begun.wait(20)
    stolen = {"attempt": 7, "worker_id": None, "started_at": timezone.now()}

    Job.objects.filter(task_id=result.id).update(**stolen)

    eventually(lambda: body.ended)
    job = job_of(result)
    assert body.ended == ["ClaimLost"]
    assert (job.state, job.attempt, job.attempts.count()) == (State.RUNNING, 7, 0)


def test_a_job_enqueued_in_a_transaction_that_is_rolled_back_never_was(employ: Make) -> None:
    inner = employ(function_of(Body()), "demo.inner")

    def outer(self: Any) -> None:
        with transaction.atomic():
            inner.delay()
            transaction.set_rollback(True)
        self.step("load", nested)

    def nested() -> None:
        with transaction.atomic():
            inner.delay()
            transaction.set_rollback(True)

    result = employ(outer, "demo.outer").delay()

    assert ended(result).state == State.SUCCEEDED
    assert not Job.objects.filter(task="demo.inner").exists()


def test_a_rollback_of_the_tasks_own_work_keeps_what_jobman_wrote(employ: Make) -> None:
    def load(self: Any) -> None:
        self.step("fetch", lambda: "a.csv")
        with transaction.atomic():
            JobAction.objects.create(at=NOON, verb="worked", actor="task")
            self.progress(7, 10, "half way")
            raise ValueError("no stock")

    job = ended(employ(load).delay())

    assert (job.state, job.progress_current) == (State.FAILED, 7)
    assert job.steps.get().state == StepState.SUCCEEDED
    assert not JobAction.objects.exists()


def test_a_step_inside_a_transaction_is_rolled_back_with_it(employ: Make) -> None:
    calls: list[int] = []

    def load(self: Any) -> None:
        with transaction.atomic():
            self.step("charge", charge)
            if self.attempts == 1:
                raise ValueError("no stock")

    def charge() -> None:
        calls.append(1)
        JobAction.objects.create(at=NOON, verb="worked", actor="task")

    job = ended(employ(load, max_attempts=2).delay())

    assert (job.state, len(calls)) == (State.SUCCEEDED, 2)
    assert JobAction.objects.filter(verb="worked").count() == 1


def test_an_atomic_step_has_its_effects_exactly_once(employ: Make) -> None:
    def load(self: Any) -> None:
        self.step("charge", charge, atomic=True)
        if self.attempts == 1:
            raise ValueError("no stock")

    def charge() -> None:
        assert connection.in_atomic_block
        JobAction.objects.create(at=NOON, verb="worked", actor="task")

    job = ended(employ(load, max_attempts=2).delay())

    assert job.state == State.SUCCEEDED
    assert JobAction.objects.filter(verb="worked").count() == 1


def test_a_loop_inside_and_outside_of_transactions_keeps_its_cursor(employ: Make) -> None:
    seen: list[str] = []

    def load(self: Any) -> None:
        for letter in self.iterate("load", "abcdef", every=1):
            with transaction.atomic():
                JobAction.objects.create(at=NOON, verb="worked", actor=letter)
            if letter == "d" and self.attempts == 1:
                raise ValueError("no stock")
            seen.append(letter)

    job = ended(employ(load, max_attempts=2).delay())

    assert (job.state, "".join(seen)) == (State.SUCCEEDED, "abcdef")
    assert JobAction.objects.filter(verb="worked").count() == 7


def test_a_record_of_the_task_is_kept_once_and_in_order(employ: Make) -> None:
    def load(_self: Any) -> None:
        for number in range(300):
            logging.getLogger("shop").warning("line %s", number)

    job = ended(employ(load).delay())

    rows = LogLine.objects.filter(job_id=job.id, logger="shop").order_by("id")
    assert list(rows.values_list("message", flat=True)) == [f"line {n}" for n in range(300)]
