from __future__ import annotations

import time
from contextlib import ExitStack
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from django.db import OperationalError, connection

from celery_jobman import atomic_step, current_job, progress, step
from celery_jobman.core import attempts
from celery_jobman.exceptions import (
    ClaimLost,
    ControlFlow,
    JobCancelled,
    JobGivenUp,
    JobInterrupted,
    JobReleased,
    JobSkipped,
    NotInAJob,
)
from celery_jobman.models import Job
from celery_jobman.runtime import identity
from celery_jobman.runtime.running import (
    NEWS_OLD_AFTER,
    RunningJob,
    active,
    disown_thread,
    required_job,
)
from celery_jobman.runtime.running import running as run
from tests.factories import NOON, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.conftest import Budget
    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db


def in_a_thread(ask: Any) -> Any:
    """Return what ``ask`` returns in a thread of its own."""
    answers: list[Any] = []
    thread = Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join(30)
    return answers[0]


@pytest.fixture
def job(running: Running) -> Iterator[RunningJob]:
    """Return a job whose body runs here."""
    with run(running(running_job())) as job:
        yield job


def test_a_running_job_says_who_it_is(running: Running) -> None:
    row = running_job(task_id="nightly")

    job = running(row)

    assert (job.id, job.task_id, job.task, job.attempt) == (row.id, "nightly", "demo.add", 1)
    assert job.row == row


def test_outside_a_job_there_is_none() -> None:
    assert current_job() is None
    assert active() == []
    with pytest.raises(NotInAJob, match=r"self\.job works only inside a running job"):
        required_job("self.job")


def test_inside_a_job_it_is_found_from_anywhere(job: RunningJob) -> None:
    assert current_job() is required_job("self.job") is job
    assert active() == [job]


def test_a_job_is_over_when_its_body_raises(running: Running) -> None:
    with pytest.raises(ValueError, match="broken"), run(running(running_job())):
        raise ValueError("broken")

    assert current_job() is None
    assert active() == []


def test_an_inner_job_is_the_current_one_until_it_ends(job: RunningJob, running: Running) -> None:
    inner = running(running_job())
    with run(inner):
        inside = current_job()

    assert (inside, current_job()) == (inner, job)


def test_a_thread_that_the_body_started_belongs_to_the_job(job: RunningJob) -> None:
    assert in_a_thread(current_job) is job


def test_a_thread_belongs_to_no_job_when_several_run(running: Running) -> None:
    with ExitStack() as both:
        for _ in range(2):
            both.enter_context(run(running(running_job())))
        assert in_a_thread(current_job) is None


def test_another_threads_eager_job_is_nobody_elses(running: Running) -> None:
    with run(running(running_job(), is_eager=True)) as job:
        assert in_a_thread(current_job) is None
        assert current_job() is job


@pytest.mark.usefixtures("job")
def test_a_thread_that_serves_all_jobs_belongs_to_none() -> None:
    def ask() -> RunningJob | None:
        disown_thread()
        return current_job()

    assert in_a_thread(ask) is None


def test_the_main_thread_does_not_belong_to_another_threads_job(running: Running) -> None:
    row = running_job()
    begun, seen = Event(), Event()

    def body() -> None:
        with run(running(row)):
            begun.set()
            seen.wait(30)

    thread = Thread(target=body)
    thread.start()
    begun.wait(30)
    here = current_job()
    seen.set()
    thread.join(30)

    assert here is None


def test_outside_a_job_a_step_is_just_a_call_and_progress_nothing() -> None:
    progress(1, 2, "loading")

    assert step("add", lambda x, y: x + y, 1, y=2) == 3


def test_inside_a_job_they_are_the_jobs(job: RunningJob) -> None:
    result = step("add", lambda x, y: x + y, 1, y=2)
    progress(1, 2, "loading", "rows")

    assert result == 3
    assert job.row.steps.get().name == "add"
    assert job.report == (1, 2, "loading", "rows", "")


def test_a_report_names_the_step_it_was_made_in(job: RunningJob) -> None:
    job.step("load", lambda: job.progress(1, 2))

    assert job.report is not None
    assert job.report.step == "load"


def test_an_iteration_reports_its_progress(job: RunningJob) -> None:
    list(job.iterate("load", "abc"))

    assert job.report is not None
    assert (job.report.current, job.report.total, job.report.step) == (3, 3, "load")


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), Retry("later"), Ignore(), Reject()])
def test_what_says_something_of_the_job_is_no_bad_item(job: RunningJob, error: Exception) -> None:
    each = Mock(side_effect=[ValueError("bad"), error])

    with pytest.raises(type(error)):
        job.iterate("load", "abc", each=each, on_error="skip")

    assert [entry["item"] for entry in job.row.steps.get().skipped] == ["a"]


def test_progress_that_is_no_number_is_refused_where_it_is_reported(job: RunningJob) -> None:
    with pytest.raises(TypeError, match="current must be a finite number, not '50%'"):
        job.progress("50%")  # type: ignore[arg-type]
    assert job.report is None


@pytest.mark.parametrize(
    ("say", "error", "values"),
    [
        (lambda job: job.release(30), JobReleased, {"delay": 30}),
        (lambda job: job.skip("nothing new"), JobSkipped, {"code": "nothing new"}),
        (lambda job: job.fail("no stock"), JobGivenUp, {"reason": "no stock"}),
    ],
)
def test_a_verb_unwinds_the_body(
    job: RunningJob, say: Any, error: type[ControlFlow], values: dict[str, Any]
) -> None:
    with pytest.raises(error) as raised:
        say(job)
    assert vars(raised.value) == values


@pytest.mark.parametrize("delay", ["soon", None])
def test_a_senseless_delay_is_refused_where_it_is_asked_for(job: RunningJob, delay: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        job.release(delay)


def test_codes_and_reasons_are_taken_for_their_text(job: RunningJob) -> None:
    with pytest.raises(JobSkipped) as skipped:
        job.skip(404)  # type: ignore[arg-type]
    with pytest.raises(JobGivenUp) as given_up:
        job.fail(ValueError("no stock"))  # type: ignore[arg-type]
    assert (skipped.value.code, given_up.value.reason) == ("404", "no stock")


def test_a_completed_value_is_only_returned(job: RunningJob) -> None:
    completed = job.complete(7, "already there")

    assert (completed.value, completed.code) == (7, "already there")


def test_a_checkpoint_costs_nothing(job: RunningJob, budget: Budget) -> None:
    with budget(0):
        job.checkpoint()


@pytest.mark.parametrize("flow", [JobCancelled, ClaimLost, JobInterrupted])
def test_a_checkpoint_is_where_a_body_stops(job: RunningJob, flow: type[ControlFlow]) -> None:
    job.stop = flow

    with pytest.raises(flow):
        job.checkpoint()
    with pytest.raises(flow):
        job.progress(1)


@pytest.mark.usefixtures("worker_identity")
def test_a_worker_that_is_stopping_interrupts_its_jobs(running: Running) -> None:
    identity.begin_stopping()

    with pytest.raises(JobInterrupted):
        running(running_job()).checkpoint()


@pytest.mark.usefixtures("worker_identity")
def test_an_eager_job_is_nobody_elses_to_interrupt(running: Running) -> None:
    identity.begin_stopping()

    running(running_job(), is_eager=True).checkpoint()


def test_a_job_nobody_asked_to_stop_goes_on(job: RunningJob) -> None:
    job.ask()

    assert (job.stop, job.cancel_requested_at) == (None, None)


def test_a_job_learns_that_it_was_asked_to_stop(job: RunningJob) -> None:
    Job.objects.update(cancel_requested_at=NOON, cancel_forced=True)

    job.ask()

    assert (job.stop, job.cancel_requested_at, job.forced) == (JobCancelled, NOON, True)


def test_a_job_learns_that_it_runs_elsewhere(job: RunningJob) -> None:
    Job.objects.update(attempt=2)

    job.ask()

    assert job.stop is ClaimLost


def test_a_job_that_was_lost_is_not_cancelled_as_well(job: RunningJob) -> None:
    job.stop = ClaimLost
    Job.objects.update(cancel_requested_at=NOON)

    job.ask()

    assert job.stop is ClaimLost


def test_a_database_that_is_away_is_not_asked_at_every_checkpoint(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Mock(side_effect=OperationalError)
    monkeypatch.setattr(attempts, "cancel_requested", asked)
    job.news_at = time.monotonic() - NEWS_OLD_AFTER - 1

    job.checkpoint()
    job.checkpoint()

    asked.assert_called_once_with(job.id, job.attempt)
    assert job.stop is None


def test_a_checkpoint_asks_by_itself_when_the_news_is_old(job: RunningJob) -> None:
    Job.objects.update(cancel_requested_at=NOON)
    job.news_at = time.monotonic() - NEWS_OLD_AFTER - 1

    with pytest.raises(JobCancelled):
        job.checkpoint()


def is_in_transaction(*, atomic: str = "") -> list[Any]:
    return [atomic, len(connection.savepoint_ids)]


def depth() -> int:
    return len(connection.savepoint_ids)


@pytest.mark.parametrize("call", [atomic_step, lambda *a, **k: step(*a, atomic=True, **k)])
def test_an_atomic_step_outside_a_job_calls_its_function_in_a_transaction(call: Any) -> None:
    before = depth()

    assert call("book", is_in_transaction) == ["", before + 1]
    assert depth() == before


def test_an_atomic_step_gives_its_function_every_argument(job: RunningJob) -> None:
    assert current_job() is job

    assert atomic_step("book", is_in_transaction, atomic="mine")[0] == "mine"
    assert job.atomic_step("sell", is_in_transaction, atomic="yours")[0] == "yours"
    assert set(job.runner.rows) == {"book", "sell"}


def test_an_atomic_step_outside_a_job_gives_its_function_every_argument() -> None:
    assert atomic_step("book", is_in_transaction, atomic="mine")[0] == "mine"


def test_an_atomic_step_is_atomic(job: RunningJob, monkeypatch: pytest.MonkeyPatch) -> None:
    run_step = Mock(return_value=3)
    monkeypatch.setattr(job.runner, "run", run_step)

    assert step("book", is_in_transaction, atomic=True) == 3
    assert run_step.call_args.kwargs == {"atomic": True}


def test_an_atomic_step_refuses_a_coroutine_function_by_its_name(job: RunningJob) -> None:
    async def work() -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match=r"async_to_sync\(work\)"):
        job.atomic_step("book", work)
