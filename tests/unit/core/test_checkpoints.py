from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, transaction

from celery_jobman.core import moments
from celery_jobman.exceptions import JobCancelled, StepConflict
from celery_jobman.models import Job, JobAction, StepState
from tests.factories import EARLIER, checkpoint, runner_of, running_job

if TYPE_CHECKING:
    from celery_jobman.core.steps import StepRunner

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)


class Late(Exception):
    """Something that goes wrong after a checkpoint was written."""


def be_late(*_: object) -> NoReturn:
    raise Late


def book() -> str:
    """Work of an atomic step whose hook raises after the commit."""
    JobAction.objects.create(at=EARLIER, verb="booked", actor="step")
    transaction.on_commit(be_late)
    return "booked"


def bookings() -> int:
    return JobAction.objects.filter(verb="booked").count()


def saved(job: Job, name: str = "load") -> tuple[str, Any, str]:
    row = job.steps.get(name=name)
    return row.state, row.checkpoint, row.error_message


@committing
def test_an_atomic_step_whose_hook_raises_after_the_commit_is_done() -> None:
    job = running_job(attempt=2)
    runner = runner_of(job)

    with pytest.raises(Late):
        runner.run("load", book, atomic=True)

    assert saved(job) == (StepState.SUCCEEDED, "booked", "")
    assert runner_of(job, 2).run("load", book, atomic=True) == "booked"
    assert bookings() == 1


@committing
def test_hooks_of_steps_and_loops_around_it_do_not_undo_it() -> None:
    job = running_job(attempt=2)

    def body(runner: StepRunner) -> None:
        for _ in runner.iterate("rows", "a"):
            runner.run("outer", lambda: runner.run("inner", book, atomic=True))

    with pytest.raises(Late):
        body(runner_of(job))

    assert saved(job, "rows/outer/inner")[0] == StepState.SUCCEEDED
    assert saved(job, "rows/outer")[0] == StepState.FAILED
    body(runner_of(job, 2))
    assert bookings() == 1


@committing
def test_an_atomic_step_whose_commit_was_done_though_the_connection_broke_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = running_job()
    commit = connection._commit  # type: ignore[attr-defined]

    def commit_and_break() -> None:
        monkeypatch.undo()
        commit()
        raise OperationalError("the connection broke")

    def work() -> str:
        monkeypatch.setattr(connection, "_commit", commit_and_break)
        return "booked"

    with pytest.raises(OperationalError):
        runner_of(job).run("load", work, atomic=True)

    assert saved(job) == (StepState.SUCCEEDED, "booked", "")


def test_an_exception_that_arrives_just_after_the_checkpoint_does_not_undo_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = running_job()
    runner = runner_of(job)
    save = runner.save

    def save_and_be_late(path: str, **columns: Any) -> None:
        monkeypatch.undo()
        save(path, **columns)
        be_late()

    monkeypatch.setattr(runner, "save", save_and_be_late)
    with pytest.raises(Late):
        runner.run("load", lambda: 7)

    assert saved(job) == (StepState.SUCCEEDED, 7, "")


@pytest.mark.parametrize("error", [Late, JobCancelled])
def test_a_checkpoint_that_stops_the_body_after_a_step_leaves_it_done(
    error: type[BaseException],
) -> None:
    job = running_job()
    runner = runner_of(job, checkpoint=Mock(side_effect=[None, error]))

    with pytest.raises(error):
        runner.run("load", lambda: 7)

    assert saved(job) == (StepState.SUCCEEDED, 7, "")


def test_an_exception_that_arrives_just_after_the_end_of_a_loop_does_not_undo_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = running_job()
    runner = runner_of(job)
    reached = Mock(side_effect=lambda name: be_late() if name == "step:checkpointed" else None)
    monkeypatch.setattr(moments, "reached", reached)

    with pytest.raises(Late) as raised:
        list(runner.iterate("load", "abc"))
    runner.close(raised.value)

    assert saved(job)[0] == StepState.SUCCEEDED


def test_an_outer_step_that_fails_leaves_the_inner_one_done() -> None:
    job = running_job(attempt=2)
    runner, inner = runner_of(job), Mock(return_value=1)

    with pytest.raises(Late):
        runner.run("outer", lambda: be_late(runner.run("inner", inner)))
    again = runner_of(job, 2)
    again.run("outer", lambda: again.run("inner", inner))

    assert inner.call_count == 1


@committing
def test_a_step_that_the_projects_own_transaction_took_back_runs_again() -> None:
    job, work = running_job(attempt=2), Mock(return_value=1)

    with pytest.raises(Late), transaction.atomic():
        be_late(runner_of(job).run("load", work))

    assert not job.steps.exists()
    runner_of(job, 2).run("load", work)
    assert work.call_count == 2


@committing
def test_a_step_that_was_taken_back_and_whose_outer_one_is_noted_as_failed_runs_again() -> None:
    job, work = running_job(attempt=2), Mock(return_value=1)
    runner = runner_of(job)

    def outer() -> None:
        runner.run("inner", work)
        raise Late

    with pytest.raises(Late):
        runner.run("outer", outer, atomic=True)

    assert list(job.steps.values_list("name", "state")) == [("outer", StepState.FAILED)]


def test_a_lost_answer_of_the_database_is_no_lost_claim() -> None:
    job = running_job()
    runner = runner_of(job)

    def lose_the_answer() -> int:
        checkpoint(job, "load", 7, position=0)
        return 7

    assert runner.run("load", lose_the_answer) == 7


def test_a_database_that_takes_two_names_for_one_is_found_out() -> None:
    job = running_job()
    runner = runner_of(job)
    runner.run("load", lambda: "of load")

    if connection.vendor == "mysql":
        with pytest.raises(StepConflict, match=r"'LOAD', because the database takes it for 'load'"):
            runner.run("LOAD", lambda: "of LOAD")
    else:
        runner.run("LOAD", lambda: "of LOAD")

    assert saved(job)[1] == "of load"


# Positions.


def order(job: Job) -> list[tuple[str, int]]:
    rows = job.steps.filter(superseded=0).order_by("position", "name")
    return list(rows.values_list("name", "position"))


def test_steps_are_placed_in_the_order_in_which_they_begin() -> None:
    job = running_job()
    runner = runner_of(job)

    runner.run("load", lambda: runner.run("images", lambda: 1))
    for item in runner.iterate("rows", "ab"):
        runner.run(f"save:{item}", lambda: 1)

    assert order(job) == [
        ("load", 0), ("load/images", 1), ("rows", 2), ("rows/save:a", 3), ("rows/save:b", 4),
    ]  # fmt: skip


def test_a_loop_that_goes_on_places_its_steps_after_those_of_the_last_attempt() -> None:
    job = running_job(attempt=2)

    def body(number: int, until: int) -> None:
        runner = runner_of(job, number)
        for item in runner.iterate("load", range(4)):
            if item == until:
                return
            runner.run(f"save:{item}", lambda: 1)
        runner.run("report", lambda: 1)

    body(1, 2)
    body(2, 9)

    assert [name for name, _ in order(job)] == [
        "load", "load/save:0", "load/save:1", "load/save:2", "load/save:3", "report",
    ]  # fmt: skip
    assert len({position for _, position in order(job)}) == 6


def test_a_reused_step_counts_with_all_that_is_inside_of_it() -> None:
    job = running_job(attempt=2)
    for name in ("load", "load/a", "load/a/b"):
        checkpoint(job, name)
    runner = runner_of(job, 2)

    runner.run("load", Mock())
    runner.run("report", lambda: 1)

    assert order(job)[-1] == ("report", 3)


def test_a_new_step_is_placed_after_the_one_before_it_and_not_after_those_behind_it() -> None:
    job = running_job(attempt=2)
    for name in ("fetch", "load"):
        checkpoint(job, name)
    runner = runner_of(job, 2)

    for name in ("fetch", "validate", "load"):
        runner.run(name, lambda: 1)

    assert order(job) == [("fetch", 0), ("load", 1), ("validate", 1)]


def test_a_step_that_runs_again_is_placed_after_what_ran_before_it() -> None:
    job = running_job(attempt=2)
    checkpoint(job, "fetch")
    checkpoint(job, "load", state=StepState.FAILED)
    runner = runner_of(job, 2)

    for name in ("fetch", "check", "validate", "load", "report"):
        runner.run(name, lambda: 1)

    assert order(job) == [
        ("fetch", 0), ("check", 1), ("validate", 2), ("load", 3), ("report", 4),
    ]  # fmt: skip


def test_a_step_that_failed_keeps_its_place_when_all_is_as_before() -> None:
    job = running_job(attempt=2)
    for number in (1, 2):
        runner = runner_of(job, number)
        for item in runner.iterate("load", "ab"):
            runner.run(f"save:{item}", lambda: 1)
        try:
            runner.run("report", be_late if number == 1 else lambda: 1)
        except Late:
            continue

    assert order(job) == [("load", 0), ("load/save:a", 1), ("load/save:b", 2), ("report", 3)]


# Names.


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
def test_a_name_that_a_database_cannot_store_is_refused(name: str) -> None:
    work = Mock()

    with pytest.raises(ValueError, match="a step's name must be text that every database stores"):
        runner_of(running_job()).run(name, work)
    work.assert_not_called()


@pytest.mark.parametrize("name", [None, 7, b"load"])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(TypeError, match=f"a step's name must be a str, but {name!r} was given"):
        runner_of(running_job()).run(name, Mock())


def test_a_loop_that_became_a_step_is_refused_and_returns_nothing_by_mistake() -> None:
    job = running_job(attempt=2)
    list(runner_of(job).iterate("load", "abc"))
    work = Mock()

    with pytest.raises(StepConflict, match="earlier attempts have stored a loop of this name"):
        runner_of(job, 2).run("load", work)
    work.assert_not_called()


def test_a_step_that_became_a_loop_is_refused() -> None:
    job = running_job(attempt=2)
    runner_of(job).run("load", lambda: 1)

    with pytest.raises(StepConflict, match="earlier attempts have stored a step of this name"):
        runner_of(job, 2).iterate("load", "abc")


def test_a_step_that_failed_may_become_a_loop() -> None:
    job = running_job(attempt=2)
    with pytest.raises(Late):
        runner_of(job).run("load", be_late)

    assert list(runner_of(job, 2).iterate("load", "ab")) == ["a", "b"]
