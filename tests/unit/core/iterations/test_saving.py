from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from celery_jobman.core import iterations
from celery_jobman.exceptions import ClaimLost, JobCancelled, UnencodableValue
from celery_jobman.models import Step
from tests.databases import asks_first
from tests.factories import runner_of, running_job

if TYPE_CHECKING:
    from celery_jobman.core.progress import Progress
    from celery_jobman.core.steps import StepRunner
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

LETTERS = list("abcde")


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(iterations, "time", clock)
    return clock


def saved_by(runner: StepRunner, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    saved: list[int] = []
    save = runner.save

    def note(path: str, **columns: Any) -> None:
        saved.append(columns["done"])
        save(path, **columns)

    monkeypatch.setattr(runner, "save", note)
    return saved


def test_a_fast_loop_saves_only_at_its_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of(running_job())
    saved = saved_by(runner, monkeypatch)

    list(runner.iterate("load", range(5000)))

    assert saved == [5000]
    assert clock.now == 100.0


def test_a_slow_loop_saves_once_a_second(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of(running_job())
    saved = saved_by(runner, monkeypatch)

    for _ in runner.iterate("load", LETTERS):
        clock.now += 0.5

    assert saved == [2, 4, 5]


@pytest.mark.usefixtures("clock")
def test_a_loop_can_be_told_to_save_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of(running_job())
    saved = saved_by(runner, monkeypatch)

    list(runner.iterate("load", LETTERS, every=2))

    assert saved == [2, 4, 5]


@pytest.mark.usefixtures("clock")
def test_a_loop_of_a_thousand_items_is_two_statements(budget: Budget) -> None:
    runner = runner_of(running_job())

    with budget(2 + asks_first()):
        list(runner.iterate("load", range(1000)))


def test_a_stop_request_takes_effect_between_items_and_loses_none() -> None:
    job = running_job(attempt=2)
    stop = Mock(side_effect=[None, None, JobCancelled])
    each = Mock()

    with pytest.raises(JobCancelled):
        runner_of(job, checkpoint=stop).iterate("load", LETTERS, each=each)

    assert [call.args for call in each.call_args_list] == [("a",), ("b",)]
    assert list(runner_of(job, 2).iterate("load", LETTERS)) == ["c", "d", "e"]


def test_an_attempt_that_lost_its_job_stops_at_its_next_save() -> None:
    job = running_job()
    each = Mock(side_effect=lambda _: Step.objects.filter(job=job).update(attempt=2))

    with pytest.raises(ClaimLost):
        runner_of(job).iterate("load", LETTERS, every=1, each=each)

    assert [call.args for call in each.call_args_list] == [("a",), ("b",)]


def test_progress_is_reported_after_every_item() -> None:
    reports: list[Progress] = []

    list(runner_of(running_job()).iterate("load", LETTERS, report=reports.append))

    assert [(report.current, report.total) for report in reports] == [
        (done, 5) for done in range(1, 6)
    ]


def test_a_cursor_that_cannot_be_stored_is_named() -> None:
    iteration = runner_of(running_job()).iterate("load", LETTERS, cursor=lambda item: {item})

    with pytest.raises(UnencodableValue, match="the cursor of 'load' is a set"):
        list(iteration)
