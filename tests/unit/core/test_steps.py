from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from celery_jobman.exceptions import (
    JobCancelled,
    StepConflict,
    UnencodableValue,
)
from celery_jobman.models import StepState
from tests.databases import asks_first
from tests.factories import checkpoint, runner_of, running_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def break_down() -> None:
    raise ValueError("no stock")


def test_a_step_runs_its_function_and_stores_what_it_returned() -> None:
    job = running_job()

    result = runner_of(job).run("add", lambda x, y: x + y, 2, y=3)

    row = job.steps.get()
    assert result == row.checkpoint == 5
    assert (row.name, row.state, row.attempt, row.position) == ("add", StepState.SUCCEEDED, 1, 0)
    assert row.finished_at is not None


def test_the_next_attempt_gets_the_stored_value_and_does_not_run_it() -> None:
    job = running_job(attempt=2)
    checkpoint(job, "add", 5)
    fn = Mock()
    runner = runner_of(job, 2)

    assert runner.run("add", fn) == 5
    fn.assert_not_called()
    assert runner.reused == ["add"]


@pytest.mark.parametrize(
    ("returned", "read_back"),
    [
        ((1, 2), [1, 2]),
        (datetime(2030, 1, 1, 12, tzinfo=UTC), "2030-01-01T12:00:00Z"),
        ({1: "a"}, {"1": "a"}),
        (None, None),
        ("\x00\ud800", "\x00\ud800"),
    ],
)
def test_the_first_run_returns_what_a_replay_will(returned: Any, read_back: Any) -> None:
    job = running_job()

    first = runner_of(job).run("load", lambda: returned)
    second = runner_of(job, 2).run("load", Mock())

    assert first == second == read_back


def test_the_same_name_twice_in_one_attempt_is_a_conflict_and_runs_nothing() -> None:
    runner = runner_of(running_job())
    runner.run("load", lambda: 1)
    fn = Mock()

    with pytest.raises(StepConflict, match=r"'load' twice .* for example 'load:2'"):
        runner.run("load", fn)
    fn.assert_not_called()


def test_a_replayed_name_cannot_be_used_twice_either() -> None:
    job = running_job(attempt=2)
    checkpoint(job, "load")
    runner = runner_of(job, 2)
    runner.run("load", Mock())

    with pytest.raises(StepConflict):
        runner.run("load", Mock())


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_name_must_have_a_sensible_length(name: str) -> None:
    with pytest.raises(ValueError, match="a step's name must have 1 to 200 characters"):
        runner_of(running_job()).run(name, Mock())


def test_a_name_may_be_as_long_as_its_column() -> None:
    job = running_job()

    runner_of(job).run("x" * 200, lambda: 1)

    assert job.steps.get().name == "x" * 200


def test_nested_steps_are_paths() -> None:
    job = running_job()
    runner = runner_of(job)

    runner.run("load", lambda: runner.run("images", lambda: runner.run("large", lambda: 1)))
    runner.run("images", lambda: 2)

    names = job.steps.order_by("position").values_list("name", flat=True)
    assert list(names) == ["load", "load/images", "load/images/large", "images"]


def test_the_current_step_is_the_innermost_and_gone_afterwards() -> None:
    runner = runner_of(running_job())
    seen: list[str] = []

    def outer() -> None:
        seen.append(runner.current)
        runner.run("inner", lambda: seen.append(runner.current))
        seen.append(runner.current)

    runner.run("outer", outer)

    assert seen == ["outer", "outer/inner", "outer"]
    assert runner.current == ""


def test_an_error_passes_through_and_the_step_is_noted_as_failed() -> None:
    job = running_job()
    runner = runner_of(job)

    with pytest.raises(ValueError, match="no stock"):
        runner.run("load", break_down)

    row = job.steps.get()
    assert (row.state, row.error_message) == (StepState.FAILED, "ValueError: no stock")
    assert (runner.current, runner.stopped_in) == ("", "load")


def test_a_failed_step_runs_again_in_the_next_attempt() -> None:
    job = running_job(attempt=2)
    with pytest.raises(ValueError, match="no stock"):
        runner_of(job).run("load", break_down)

    runner_of(job, 2).run("load", lambda: 7)

    row = job.steps.get()
    assert (row.state, row.checkpoint, row.attempt) == (StepState.SUCCEEDED, 7, 2)
    assert row.error_message == ""


def test_the_step_that_stopped_a_job_is_the_one_that_failed_last() -> None:
    runner = runner_of(running_job())
    with pytest.raises(ValueError, match="no stock"):
        runner.run("optional", break_down)

    with pytest.raises(ValueError, match="no stock"):
        runner.run("load", lambda: runner.run("images", break_down))

    assert runner.stopped_in == "load/images"


def test_a_value_that_cannot_be_encoded_is_named_and_nothing_is_stored() -> None:
    job = running_job()

    with pytest.raises(UnencodableValue, match="what step 'load' returned is a set"):
        runner_of(job).run("load", lambda: {1})

    assert job.steps.get().state == StepState.FAILED


def test_a_job_that_was_asked_to_stop_does_not_begin_a_step() -> None:
    fn = Mock()
    runner = runner_of(running_job(), checkpoint=Mock(side_effect=JobCancelled))

    with pytest.raises(JobCancelled):
        runner.run("load", fn)
    fn.assert_not_called()


def test_a_job_that_is_asked_to_stop_during_a_step_keeps_its_checkpoint() -> None:
    job = running_job()
    runner = runner_of(job, checkpoint=Mock(side_effect=[None, JobCancelled]))

    with pytest.raises(JobCancelled):
        runner.run("load", lambda: 7)

    assert job.steps.get().checkpoint == 7


def test_control_flow_inside_a_step_is_no_failure_of_it() -> None:
    job = running_job()
    runner = runner_of(job)

    with pytest.raises(JobCancelled):
        runner.run("load", Mock(side_effect=JobCancelled))

    assert not job.steps.exists()
    assert runner.stopped_in == "load"


def test_steps_set_aside_are_not_replayed() -> None:
    job = running_job(attempt=2)
    checkpoint(job, "load", "old", superseded=1)

    assert runner_of(job, 2).run("load", lambda: "new") == "new"
    assert job.steps.count() == 2


def test_a_first_attempt_is_not_resumed() -> None:
    runner = runner_of(running_job())

    runner.run("fetch", lambda: 1)
    runner.run("load", lambda: 2)

    assert runner.resumed_from == ""


def test_a_later_attempt_says_where_it_went_on() -> None:
    job = running_job(attempt=2)
    checkpoint(job, "fetch")
    runner = runner_of(job, 2)

    for name in ("fetch", "validate", "load"):
        runner.run(name, lambda: 1)

    assert runner.resumed_from == "validate"


def test_the_first_step_of_an_attempt_reads_once_and_writes_once(budget: Budget) -> None:
    runner = runner_of(running_job())

    with budget(2 + asks_first()):
        runner.run("fetch", lambda: 1)


def test_each_further_step_is_one_statement(budget: Budget) -> None:
    runner = runner_of(running_job())
    runner.run("fetch", lambda: 1)

    with budget(1 + asks_first()):
        runner.run("load", lambda: 2)


def test_all_replays_together_are_one_statement(budget: Budget) -> None:
    job = running_job(attempt=2)
    names = [f"step {number}" for number in range(10)]
    for name in names:
        checkpoint(job, name)
    runner = runner_of(job, 2)

    with budget(1):
        for name in names:
            runner.run(name, Mock())
