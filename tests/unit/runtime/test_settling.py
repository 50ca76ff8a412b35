from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery.exceptions import Ignore
from django.db import DataError, OperationalError

from celery_jobman.core import attempts, logs, rescue, transitions
from celery_jobman.core.endings import Ending
from celery_jobman.core.progress import Progress
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Job, LogLine, Outcome, Trouble
from celery_jobman.runtime import arrears, execution, outcomes, settling, supervisor
from celery_jobman.states import State
from tests.factories import LATER, NOON, line, running_job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from celery import Task
    from pytest_django import Settings as Project

    from celery_jobman.core.logs import Line
    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db

SUCCESS = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})
FAILURE = Ending(outcome=Outcome.FAILED, to=State.FAILED)
BACKOFF = Ending(outcome=Outcome.FAILED, to=State.SCHEDULED, available_at=LATER)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, settings: Project) -> None:
    """Run without a supervisor, without debts and without patience."""
    monkeypatch.setattr(supervisor, "wake", lambda: None)
    monkeypatch.setattr(arrears, "_owed", deque())
    settings.JOBMAN = {"OUTAGE_PATIENCE": 0}


@pytest.mark.parametrize("ending", [SUCCESS, FAILURE, BACKOFF])
def test_the_last_progress_is_never_lost(running: Running, ending: Ending) -> None:
    job = running(running_job())
    job.report = Progress(99, 100)

    settling.settle(job, ending)

    assert job.row.progress_current == 99


def test_an_end_brings_the_rest_of_the_log(running: Running) -> None:
    job = running(running_job())
    job.lines.append(line(job.row, "the last line"))
    job.lines_dropped = 5

    assert settling.settle(job, SUCCESS) == State.SUCCEEDED
    assert LogLine.objects.get().message == "the last line"
    assert (job.row.attempts.get().lines_dropped, list(job.lines)) == (5, [])


@pytest.mark.parametrize(("ending", "step"), [(SUCCESS, ""), (FAILURE, "load"), (BACKOFF, "load")])
def test_a_job_that_did_not_succeed_shows_where_it_stopped(
    running: Running, ending: Ending, step: str
) -> None:
    job = running(running_job())
    job.runner.stopped_in = "load"

    settling.settle(job, ending)

    assert job.row.current_step == step


def test_an_end_that_comes_too_late_writes_nothing(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    job = running(running_job())
    Job.objects.update(attempt=2)

    with pytest.raises(Ignore, match="the job runs elsewhere"):
        settling.settle(job, SUCCESS)
    assert "Attempt lost its claim" in caplog.text
    assert not job.row.attempts.exists()


def test_an_end_that_was_written_although_the_connection_broke_is_no_lost_claim(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(running_job())
    finish = attempts.finish
    attempts.finish(job.run, SUCCESS, now=LATER)
    monkeypatch.setattr(attempts, "finish", Mock(side_effect=finish))

    assert settling._finish(job, SUCCESS) == State.SUCCEEDED
    assert job.row.attempts.count() == 1


def test_a_cancel_that_was_written_although_the_connection_broke_is_one(running: Running) -> None:
    job = running(running_job(cancel_requested_at=NOON))
    attempts.finish(job.run, BACKOFF, now=LATER)

    assert settling.settle(job, BACKOFF) == State.CANCELLED
    assert job.row.attempts.get().outcome == Outcome.CANCELLED


@pytest.mark.parametrize("ending", [SUCCESS, FAILURE, BACKOFF])
def test_an_end_is_no_end_of_an_attempt_that_was_taken_back(
    running: Running, ending: Ending
) -> None:
    job = running(running_job())
    rescue.lose(job.row, "its worker froze", now=LATER)

    with pytest.raises(Ignore, match="the job runs elsewhere"):
        settling.settle(job, ending)
    assert job.row.state == State.SCHEDULED
    assert job.row.attempts.get().outcome == Outcome.LOST


def test_a_success_is_no_end_of_an_attempt_that_was_cancelled(running: Running) -> None:
    job = running(running_job(cancel_requested_at=NOON))
    rescue.lose(job.row, "its worker froze", now=LATER)

    with pytest.raises(Ignore, match="the job runs elsewhere"):
        settling.settle(job, SUCCESS)
    assert job.row.state == State.CANCELLED


def test_a_database_that_is_away_is_owed_the_end(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(running_job())
    with monkeypatch.context() as outage:
        outage.setattr(attempts, "finish", Mock(side_effect=OperationalError("away")))
        settling.settle(job, SUCCESS)
    before = job.row.state

    arrears.pay()

    assert (before, job.row.state) == (State.RUNNING, State.SUCCEEDED)


@pytest.mark.parametrize(("ending", "to"), [(SUCCESS, State.SUCCEEDED), (BACKOFF, State.FAILED)])
def test_an_end_that_the_database_refuses_is_written_without_what_it_refused(
    running: Running, monkeypatch: pytest.MonkeyPatch, ending: Ending, to: State
) -> None:
    move = transitions.try_move

    def refuse(job_id: UUID, state: State, **columns: Any) -> bool:
        if state == State.SCHEDULED or "result" in columns:
            raise DataError("smallint out of range")
        return move(job_id, state, **columns)

    monkeypatch.setattr(transitions, "try_move", refuse)
    job = running(running_job())
    job.lines.extend([line(job.row)] * 3)

    assert settling.settle(job, ending) == to

    attempt = job.row.attempts.get()
    assert (job.row.state, attempt.lines_dropped, LogLine.objects.count()) == (to, 0, 3)
    assert "smallint out of range" in Trouble.objects.get(row_id=job.id).error


def refuse_lines(lines: Sequence[Line]) -> None:
    if lines:
        raise DataError("a character that it does not know")


def test_an_end_that_was_owed_and_is_refused_is_written_all_the_same(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(running_job())
    job.lines.append(line(job.row))
    with monkeypatch.context() as outage:
        outage.setattr(attempts, "finish", Mock(side_effect=OperationalError("away")))
        settling.settle(job, SUCCESS)
    monkeypatch.setattr(logs, "write", refuse_lines)

    arrears.pay()

    assert job.row.state == State.SUCCEEDED
    assert job.row.attempts.get().lines_dropped == 1


def test_a_job_that_was_asked_to_stop_is_cancelled_instead_of_put_back(running: Running) -> None:
    job = running(running_job(cancel_requested_at=LATER))

    assert settling.settle(job, BACKOFF) == State.CANCELLED


def test_an_end_that_cannot_be_judged_ends_the_job_all_the_same(
    task: Task,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(outcomes, "_failure", Mock(side_effect=TypeError("no such judge")))

    verdict = execution.judge(ValueError("no stock"), task, running(running_job()))

    assert verdict.ending is not None
    assert verdict.ending.to == State.FAILED
    assert "End of an attempt could not be judged" in caplog.text


def test_a_job_whose_row_is_gone_ends_without_a_trace(task: Task, running: Running) -> None:
    job = running(running_job())
    Job.objects.all().delete()

    verdict = execution.judge(ValueError("no stock"), task, job)

    assert verdict.ending is None
    assert isinstance(verdict.error, Ignore)


def test_a_job_whose_row_is_gone_when_its_end_is_judged_late_owes_nothing(
    task: Task, running: Running
) -> None:
    job = running(running_job())
    Job.objects.all().delete()
    arrears.owe(lambda: execution._judge_late(ValueError("no stock"), task, job), job.id)

    arrears.pay()

    assert arrears.is_clear()


def test_a_database_that_is_away_does_not_make_a_failure_final(
    task: Task, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(running_job(max_attempts=5))
    with monkeypatch.context() as outage:
        outage.setattr(outcomes, "_failure", Mock(side_effect=OperationalError("away")))
        verdict = execution.judge(ValueError("no stock"), task, job)
    before = job.row.state

    arrears.pay()

    row = job.row
    assert (verdict.ending, before) == (None, State.RUNNING)
    assert (row.state, row.failures, row.error_message) == (State.SCHEDULED, 1, "no stock")


def test_an_end_that_was_owed_and_lost_meanwhile_is_not_written(
    task: Task, running: Running
) -> None:
    job = running(running_job(max_attempts=5))
    arrears.owe(lambda: execution._judge_late(ClaimLost(), task, job))
    Job.objects.update(attempt=2)

    arrears.pay()

    assert not job.row.attempts.exists()


def test_an_open_loop_is_saved_when_the_body_ends(running: Running) -> None:
    job = running(running_job())
    with execution.body(job):
        held = iter(job.iterate("load", "abc"))
        next(held)
        next(held)
        inside = job.in_body

    assert (inside, job.in_body) == (True, False)
    assert job.row.steps.get().done == 1


@pytest.mark.parametrize("error", [ValueError("broken"), ClaimLost()])
def test_a_loop_that_cannot_be_saved_does_not_matter(
    running: Running, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    job = running(running_job())
    job.runner.close = Mock(side_effect=error)  # type: ignore[method-assign]

    with execution.body(job):
        pass

    assert "Cursor could not be saved" in caplog.text
