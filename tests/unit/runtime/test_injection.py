from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.exceptions import ClaimLost, ControlFlow, JobCancelled
from celery_jobman.runtime import injection
from celery_jobman.runtime.running import running as run
from tests.factories import running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.runtime.running import RunningJob
    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db


@pytest.fixture
def others() -> Iterator[list[int]]:
    """Install the handler over another one, and put that back."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    injection.prepare()
    yield heard
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def job(running: Running) -> Iterator[RunningJob]:
    """Return a job whose body runs here and was asked to stop."""
    with run(running(running_job())) as job:
        job.stop, job.in_body = JobCancelled, True
        yield job


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("flow", [JobCancelled, ClaimLost])
def test_a_body_in_the_main_thread_is_stopped_even_while_it_sleeps(
    job: RunningJob, flow: type[ControlFlow]
) -> None:
    job.stop = flow
    threading.Timer(0.05, injection.interrupt, [job]).start()

    with pytest.raises(flow):
        threading.Event().wait(30)


def test_a_body_in_another_thread_is_stopped_at_its_next_bytecode(running: Running) -> None:
    row = running_job()
    begun, ended = threading.Event(), threading.Event()
    jobs: list[RunningJob] = []

    def body() -> None:
        try:
            with run(running(row)) as job:
                job.stop, job.in_body = JobCancelled, True
                jobs.append(job)
                begun.set()
                while True:
                    pass
        except JobCancelled:
            ended.set()

    thread = threading.Thread(target=body)
    thread.start()
    begun.wait(30)
    injection.interrupt(jobs[0])
    thread.join(30)

    assert ended.is_set()


@pytest.mark.parametrize("changes", [{"in_body": False}, {"stop": None}])
def test_only_a_body_that_was_asked_to_stop_is_stopped(
    job: RunningJob, others: list[int], changes: dict[str, Any]
) -> None:
    for name, value in changes.items():
        setattr(job, name, value)

    injection.interrupt(job)

    assert (job.injected, others) == (False, [])


def test_a_body_that_has_just_ended_is_left_alone(job: RunningJob, others: list[int]) -> None:
    job.injected = True
    job.in_body = False

    signal.raise_signal(signal.SIGUSR1)

    assert others == [signal.SIGUSR1]


@pytest.mark.usefixtures("job")
def test_celerys_soft_time_limit_uses_the_same_signal(others: list[int]) -> None:
    signal.raise_signal(signal.SIGUSR1)

    assert others == [signal.SIGUSR1]


def test_one_request_stops_a_body_once(job: RunningJob, others: list[int]) -> None:
    with pytest.raises(JobCancelled):
        injection.interrupt(job)

    signal.raise_signal(signal.SIGUSR1)

    assert others == [signal.SIGUSR1]


@pytest.mark.usefixtures("others")
def test_preparing_twice_keeps_the_other_handler() -> None:
    before = injection._others

    injection.prepare()

    assert injection._others is before


def test_without_another_handler_the_signal_is_harmless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(injection, "_others", signal.SIG_DFL)

    injection._on_signal(signal.SIGUSR1, None)


def test_only_the_main_thread_installs_a_handler(others: list[int]) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    thread = threading.Thread(target=injection.prepare)
    thread.start()
    thread.join(30)

    now = signal.signal(signal.SIGUSR1, before)
    assert (now, others) == (signal.SIG_IGN, [])


def test_where_there_is_no_such_signal_nothing_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(injection, "SIGNAL", None)
    before = signal.getsignal(signal.SIGUSR1)

    injection.prepare()

    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_statement_of_ours_is_not_broken_by_a_stop(job: RunningJob, others: list[int]) -> None:
    stopped: list[str] = []

    def statement() -> None:
        injection.interrupt(job)  # asked for now: left out
        job.injected = True  # asked for a moment ago: arrives now
        signal.raise_signal(signal.SIGUSR1)
        stopped.append("statement ended")

    job._through(statement)

    assert (stopped, others, job.injected) == (["statement ended"], [], False)
    with pytest.raises(JobCancelled):
        job.checkpoint()
