from __future__ import annotations

import time
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, transaction

from celery_jobman.core import logs
from celery_jobman.core.progress import Progress
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Job, LogLine
from celery_jobman.runtime import flushing
from tests.factories import line, running_job

if TYPE_CHECKING:
    from celery_jobman.runtime.running import RunningJob
    from tests.unit.conftest import Budget
    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db

LONG = 1000.0


@pytest.fixture
def job(running: Running) -> RunningJob:
    """Return a job that is in its body."""
    job = running(running_job())
    job.in_body = True
    return job


def messages() -> list[str]:
    return list(LogLine.objects.order_by("id").values_list("message", flat=True))


def test_lines_progress_and_step_are_written(job: RunningJob) -> None:
    job.lines.extend([line(job.row, "one"), line(job.row, "two")])
    job.report = Progress(1, 2)

    with job.runner.part("load"):
        flushing.flush(job)

    assert (messages(), list(job.lines)) == (["one", "two"], [])
    assert (job.row.progress_current, job.row.current_step) == (1, "load")


def test_a_flush_is_two_statements_and_none_without_news(job: RunningJob, budget: Budget) -> None:
    job.lines.append(line(job.row))
    job.report = Progress(1, 2)

    with budget(2):
        flushing.flush(job)
    with budget(0):
        flushing.flush(job)


def test_many_lines_are_written_batch_by_batch(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flushing, "BATCH", 2)
    job.lines.extend(line(job.row, text) for text in "abc")

    flushing.flush(job)
    first = messages()
    flushing.flush(job)

    assert (first, messages()) == (["a", "b"], ["a", "b", "c"])


def test_lines_that_could_not_be_written_keep_their_place(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.lines.extend(line(job.row, text) for text in "abc")
    monkeypatch.setattr(logs, "write", Mock(side_effect=OperationalError))

    with pytest.raises(OperationalError):
        flushing.flush(job)

    assert [line.message for line in job.lines] == ["a", "b", "c"]


@pytest.fixture
def broken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the connection break when the first lines have been committed."""
    write, errors = logs.write, iter([OperationalError("cut")])

    def written(lines: list[logs.Line]) -> int:
        count = write(lines)
        for error in errors:
            raise error
        return count

    monkeypatch.setattr(logs, "write", written)


@pytest.mark.usefixtures("broken_once")
def test_lines_that_were_written_although_the_connection_broke_are_there_once(
    job: RunningJob,
) -> None:
    job.lines.extend(line(job.row, text) for text in "ab")
    with pytest.raises(OperationalError):
        flushing.flush(job)
    job.lines.append(line(job.row, "c"))

    flushing.flush(job)

    assert (messages(), list(job.lines)) == (["a", "b", "c"], [])


@pytest.mark.usefixtures("broken_once")
def test_the_end_of_an_attempt_does_not_repeat_lines_either(job: RunningJob) -> None:
    job.lines.append(line(job.row, "a"))
    with pytest.raises(OperationalError):
        flushing.flush(job)
    job.lines.append(line(job.row, "b"))

    assert [each.message for each in job.last_lines()] == ["b"]


def test_lines_of_an_outage_that_were_not_written_are_written_later(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.lines.extend(line(job.row, text) for text in "ab")
    with monkeypatch.context() as outage:
        outage.setattr(logs, "write", Mock(side_effect=OperationalError))
        with pytest.raises(OperationalError):
            flushing.flush(job)

    flushing.flush(job)

    assert messages() == ["a", "b"]


def test_an_attempt_that_lost_its_job_learns_so_by_its_progress(job: RunningJob) -> None:
    Job.objects.update(attempt=2)
    job.report = Progress(1, 2)

    flushing.flush(job)

    assert job.stop is ClaimLost


def test_an_attempt_that_has_just_ended_did_not_lose_its_job(job: RunningJob) -> None:
    Job.objects.update(attempt=2)
    job.report, job.in_body = Progress(1, 2), False

    flushing.flush(job)

    assert job.stop is None


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_on_sqlite_the_body_flushes_at_a_checkpoint(job: RunningJob) -> None:
    job.lines.append(line(job.row, "one"))
    job.flushed_at -= LONG

    job.checkpoint()

    assert messages() == ["one"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_a_checkpoint_soon_after_a_flush_writes_nothing(job: RunningJob) -> None:
    job.lines.append(line(job.row, "one"))
    job.flushed_at = time.monotonic()

    job.checkpoint()

    assert messages() == []


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_elsewhere_a_checkpoint_leaves_the_lines_to_the_supervisor(job: RunningJob) -> None:
    job.lines.append(line(job.row, "one"))
    job.flushed_at -= LONG

    job.checkpoint()

    assert messages() == []


def test_in_a_transaction_of_the_body_nothing_is_flushed(job: RunningJob, budget: Budget) -> None:
    job.lines.append(line(job.row, "one"))
    job.flushed_at -= LONG

    with transaction.atomic(), budget(0):
        flushing.flush_if_due(job)

    assert messages() == []


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_left_for_later(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.lines.append(line(job.row, "one"))
    job.flushed_at -= LONG
    monkeypatch.setattr(logs, "write", Mock(side_effect=OperationalError))

    flushing.flush_if_due(job)

    assert [line.message for line in job.lines] == ["one"]
