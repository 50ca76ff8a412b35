from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from celery_jobman.management.subcommands import logs
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import EARLIER, NOON, finished_job, log_line, running_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def job() -> Job:
    job = finished_job(State.SUCCEEDED)
    log_line(job, "begun")
    log_line(job, "row 7 is odd", level=30, step="load")
    log_line(job, "no such row", level=40, attempt=2, step="load")
    log_line(finished_job(), "of another job")
    return job


def _each_second(monkeypatch: pytest.MonkeyPatch, *events: Callable[[], object]) -> None:
    """Let something happen each time the follower sleeps."""
    coming = iter(events)
    monkeypatch.setattr(time, "sleep", lambda _: next(coming)())


def _end(job: Job) -> None:
    Job.objects.filter(pk=job.pk).delete()
    log_line(finished_job(State.SUCCEEDED, id=job.pk), "the end")


def test_all_lines_of_one_job(jobman: Command, job: Job) -> None:
    assert jobman("logs", job.id).lines == [
        "2030-01-01 12:00:00  #1 INFO    begun",
        "2030-01-01 12:00:00  #1 WARNING [load] row 7 is odd",
        "2030-01-01 12:00:00  #2 ERROR   [load] no such row",
        "3 lines",
    ]


def test_lines_can_be_chosen(jobman: Command, job: Job) -> None:
    assert len(jobman("logs", job.id, "--level", "WARNING").lines) == 3
    assert jobman("logs", job.id, "--attempt", 2, "--json").facts[0]["message"] == "no such row"
    assert jobman("logs", job.id, "--limit", 1).lines[0].endswith("no such row")
    assert len(jobman("logs", job.id, "--limit", 9).lines) == 4


def test_long_logs_are_read_in_slices(
    jobman: Command, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SLICE", 2)

    assert jobman("logs", job.id).lines[-1] == "3 lines"


def test_follow_ends_when_the_job_has_ended(jobman: Command, job: Job) -> None:
    assert jobman("logs", job.id, "--follow").lines[-2:] == [
        "-- It succeeded just now.",
        "3 lines",
    ]


def test_follow_reads_on_and_tells_how_far_it_is(
    jobman: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running_job(progress_current=1, progress_total=4, current_step="load")
    monkeypatch.setattr(logs, "PROGRESS_PERIOD", 0.0)
    _each_second(
        monkeypatch,
        lambda: log_line(job, "half way"),
        lambda: Job.objects.filter(pk=job.pk).update(progress_current=3),
        lambda: _end(job),
    )

    assert jobman("logs", job.id, "-f").lines == [
        "-- running load, 1 of 4 (25%)",
        "2030-01-01 12:00:00  #1 INFO    half way",
        "-- running load, 3 of 4 (75%)",
        "2030-01-01 12:00:00  #1 INFO    the end",
        "-- It succeeded just now.",
        "2 lines",
    ]


def test_follow_says_what_a_job_waits_for(jobman: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    job = running_job(started_at=EARLIER)
    _each_second(monkeypatch, lambda: Job.objects.filter(pk=job.pk).delete())

    answer = jobman("logs", job.id, "--follow")

    assert answer.lines == ["-- It has been running for 5m.", "0 lines"]
    assert answer.notes == "The job was deleted.\n"


def test_ctrl_c_ends_a_follow_quietly(jobman: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    _each_second(monkeypatch, interrupt)

    assert jobman("logs", running_job().id, "--follow").lines[-1] == "0 lines"
