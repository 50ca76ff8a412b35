from __future__ import annotations

import time
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from celery_jobman.exceptions import JobCancelled
from celery_jobman.models import Job, LogLine
from celery_jobman.runtime import arrears, flushing, injection, running, supervisor
from celery_jobman.runtime.connection import ALIAS, private
from tests.factories import line, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.runtime.running import RunningJob
    from tests.unit.conftest import Budget
    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db

LONG_AGO = 1000.0


@pytest.fixture
def job(running: Running) -> RunningJob:
    """Return a job that is in its body."""
    job = running(running_job())
    job.in_body = True
    return job


@pytest.fixture
def eager(running: Running) -> RunningJob:
    """Return a job that runs eagerly."""
    return running(running_job(), is_eager=True)


def messages() -> list[str]:
    return list(LogLine.objects.order_by("id").values_list("message", flat=True))


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[RunningJob]:
    jobs: list[RunningJob] = []
    monkeypatch.setattr(injection, "interrupt", jobs.append)
    return jobs


def test_a_cancel_is_left_to_the_next_checkpoint_at_first(
    job: RunningJob, interrupted: list[RunningJob]
) -> None:
    Job.objects.update(cancel_requested_at=timezone.now())
    job.news_at -= LONG_AGO

    supervisor._look(job)

    assert (job.stop, interrupted) == (JobCancelled, [])


@pytest.mark.parametrize(
    "asked",
    [
        {"cancel_requested_at": timezone.now() - timedelta(seconds=31)},
        {"cancel_requested_at": timezone.now(), "cancel_forced": True},
        {"attempt": 2},
    ],
)
def test_a_body_out_of_patience_or_claim_is_interrupted(
    job: RunningJob, interrupted: list[RunningJob], asked: dict[str, Any]
) -> None:
    Job.objects.update(**asked)
    job.news_at -= LONG_AGO

    supervisor._look(job)

    assert interrupted == [job]


def test_the_row_is_read_once_a_second(job: RunningJob, budget: Budget) -> None:
    job.news_at = time.monotonic()

    with budget(0):
        supervisor._look(job)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
def test_on_sqlite_it_waits_while_the_body_has_a_transaction_open(job: RunningJob) -> None:
    job.lines.append(line(job.row))

    with transaction.atomic():
        supervisor._attend(job)
        inside = messages()

    assert inside == []


def test_a_database_that_is_away_is_no_news(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flushing, "flush", Mock(side_effect=OperationalError))
    monkeypatch.setattr(supervisor, "_must_wait", lambda _: False)
    dropped = Mock()
    monkeypatch.setattr("celery_jobman.runtime.connection.drop", dropped)

    supervisor._attend(job)

    dropped.assert_called_once()
    assert "could not attend" not in caplog.text


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no connection to lose")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("worker_identity")
@pytest.mark.parametrize("news", [True, False])
def test_a_connection_that_was_cut_is_opened_anew(
    running: Running,
    news: bool,  # noqa: FBT001
) -> None:
    row = running_job(cancel_requested_at=timezone.now())
    job = running(row)
    if news:
        job.lines.append(line(row, "hello"))
    with private():
        Job.objects.exists()
        connections[ALIAS].connection.close()

    for _ in range(3):
        job.news_at -= LONG_AGO
        supervisor._attend(job)

    assert messages() == (["hello"] if news else [])
    assert job.stop is JobCancelled


def test_any_other_trouble_is_logged_and_the_thread_goes_on(
    job: RunningJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flushing, "flush", Mock(side_effect=ValueError("broken")))
    monkeypatch.setattr(supervisor, "_must_wait", lambda _: False)
    monkeypatch.setattr("celery_jobman.runtime.connection.drop", lambda: None)

    supervisor._attend(job)

    assert f"Supervisor could not attend to a job job={job.id}" in caplog.text


class Bed(Event):
    """An event that knows how many threads wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.sleepers = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.sleepers += 1
        try:
            return super().wait(timeout)
        finally:
            self.sleepers -= 1


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RunningJob]]:
    """Let the thread begin anew, note what it attends to, and leave it asleep for ever."""
    jobs: list[RunningJob] = []
    threads: list[Thread] = []
    bed = Bed()

    def make(**options: Any) -> Thread:
        threads.append(Thread(**options))
        return threads[-1]

    monkeypatch.setattr(supervisor, "_thread", None)
    monkeypatch.setattr(supervisor, "_awake", bed)
    monkeypatch.setattr(supervisor, "_hurry", Event())
    monkeypatch.setattr(supervisor, "_attend", jobs.append)
    monkeypatch.setattr(supervisor, "Thread", make)
    monkeypatch.setattr(arrears, "pay", lambda: None)
    monkeypatch.setattr(arrears, "is_clear", lambda: True)
    yield jobs
    supervisor.hurry()
    wait_until(lambda: not bed.is_set() and bed.sleepers == sum(map(Thread.is_alive, threads)))


def test_the_thread_attends_to_what_runs_and_sleeps_while_nothing_does(
    job: RunningJob, attended: list[RunningJob]
) -> None:
    asleep = supervisor._awake
    with running.running(job):
        supervisor.wake()
        supervisor.hurry()
        wait_until(lambda: attended)

    wait_until(lambda: not asleep.is_set())
    assert set(attended) == {job}


def test_an_eager_job_is_left_alone_and_keeps_nothing_awake(
    job: RunningJob, eager: RunningJob, attended: list[RunningJob]
) -> None:
    asleep = supervisor._awake
    with running.running(eager):
        with running.running(job):
            supervisor.wake()
            supervisor.hurry()
            wait_until(lambda: attended)
        wait_until(lambda: not asleep.is_set())

    assert set(attended) == {job}


def test_one_thread_serves_a_process(attended: list[RunningJob]) -> None:
    supervisor.wake()
    first = supervisor._thread
    supervisor.wake()

    assert supervisor._thread is first
    assert attended == []


def test_the_thread_ends_with_the_worker_and_begins_anew_with_the_next(
    job: RunningJob, attended: list[RunningJob]
) -> None:
    with running.running(job):
        supervisor.wake()
        first = supervisor._thread
        supervisor.retire(0)
        kept = first is not None and first.is_alive()
        wait_until(lambda: attended)
    supervisor.retire(20)
    ended = first is not None and not first.is_alive()
    hurried = supervisor._hurry.is_set()
    supervisor.wake()

    assert kept
    assert ended
    assert not hurried
    assert supervisor._thread is not first


def test_a_forked_child_gets_a_thread_of_its_own(
    attended: list[RunningJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.wake()
    first = supervisor._thread

    monkeypatch.setattr(supervisor, "_pid", 1)
    supervisor.wake()

    assert isinstance(supervisor._thread, Thread)
    assert supervisor._thread is not first
    assert attended == []


def wait_until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    tick = Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        tick.wait(0.005)
