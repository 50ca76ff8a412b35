from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, transaction

from celery_jobman.core import retries, statements, steps
from celery_jobman.core.steps import StepRunner
from celery_jobman.exceptions import ClaimLost, UnencodableValue
from celery_jobman.models import Job, JobAction, Step, StepState
from celery_jobman.states import State
from tests.databases import asks_first
from tests.factories import EARLIER, NOON, checkpoint, runner_of, running_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def leave_a_mark() -> str:
    """Write to the project's database, as a step's work might."""
    JobAction.objects.create(at=EARLIER, verb="worked", actor="step")
    return "worked"


def marks() -> int:
    return JobAction.objects.filter(verb="worked").count()


def test_a_failure_that_cannot_be_noted_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of(running_job())
    monkeypatch.setattr(runner, "save", Mock(side_effect=DatabaseError))

    with pytest.raises(ValueError, match="no stock"):
        runner.run("load", Mock(side_effect=ValueError("no stock")))


def test_an_attempt_whose_step_a_later_one_has_written_learns_so() -> None:
    job = running_job(attempt=2)
    row = checkpoint(job, "load", state=StepState.FAILED)
    runner = runner_of(job)

    def be_overtaken() -> int:
        Step.objects.filter(pk=row.pk).update(attempt=2)
        return 1

    with pytest.raises(ClaimLost):
        runner.run("load", be_overtaken)
    row.refresh_from_db()
    assert (row.attempt, row.checkpoint) == (2, None)


def test_an_attempt_whose_new_step_a_later_one_has_written_first_learns_so() -> None:
    job = running_job(attempt=2)
    runner = runner_of(job)

    def be_overtaken() -> int:
        checkpoint(job, "load", "of attempt 2", attempt=2)
        return 1

    with pytest.raises(ClaimLost):
        runner.run("load", be_overtaken)
    assert job.steps.get().checkpoint == "of attempt 2"


def test_a_frozen_attempt_that_comes_back_writes_nothing_and_does_not_stop_its_successor() -> None:
    job = running_job(attempt=2)
    successor = runner_of(job, 2)

    def meanwhile() -> str:
        with pytest.raises(ClaimLost):
            StepRunner(job.id, 1).run("load", lambda: "of attempt 1")
        return "of attempt 2"

    assert successor.run("load", meanwhile) == "of attempt 2"
    row = job.steps.get()
    assert (row.checkpoint, row.attempt) == ("of attempt 2", 2)


def test_a_step_that_was_set_aside_meanwhile_is_not_written_to() -> None:
    job = running_job(attempt=1)
    row = checkpoint(job, "load", "old", state=StepState.FAILED)
    runner = runner_of(job)

    def be_set_aside() -> int:
        Step.objects.filter(pk=row.pk).update(superseded=1)
        Job.objects.filter(pk=job.id).update(attempt=2)
        return 1

    with pytest.raises(ClaimLost):
        runner.run("load", be_set_aside)


@pytest.mark.parametrize("fails", [True, False])
def test_an_attempt_that_was_frozen_when_its_job_was_rewound_leaves_no_checkpoint(
    *, fails: bool
) -> None:
    job = running_job()
    checkpoint(job, "load")
    frozen = runner_of(job)

    def be_rewound() -> str:
        ended = {"state": State.FAILED, "finished_at": NOON}
        Job.objects.filter(pk=job.id).update(**ended)
        retries.rewind(job.id, "load", now=NOON)
        if fails:
            raise ValueError("no stock")
        return "of attempt 1"

    with pytest.raises(ValueError if fails else ClaimLost):
        frozen.run("send", be_rewound)

    assert not job.steps.filter(superseded=0).exists()


def test_an_atomic_step_commits_its_work_with_its_checkpoint() -> None:
    job = running_job()

    assert runner_of(job).run("load", leave_a_mark, atomic=True) == "worked"
    assert marks() == job.steps.filter(state=StepState.SUCCEEDED).count() == 1


def test_an_atomic_step_that_fails_leaves_none_of_its_work() -> None:
    job = running_job()

    def work_and_fail() -> None:
        leave_a_mark()
        raise ValueError("no stock")

    with pytest.raises(ValueError, match="no stock"):
        runner_of(job).run("load", work_and_fail, atomic=True)

    assert marks() == 0
    assert job.steps.get().state == StepState.FAILED


def test_an_atomic_step_whose_value_cannot_be_stored_leaves_none_of_its_work() -> None:
    job = running_job()

    with pytest.raises(UnencodableValue):
        runner_of(job).run("load", lambda: {leave_a_mark()}, atomic=True)

    assert marks() == 0


def test_an_atomic_step_of_an_attempt_that_lost_its_job_leaves_none_of_its_work() -> None:
    job = running_job()

    def be_rescued() -> None:
        leave_a_mark()
        Job.objects.filter(pk=job.id).update(attempt=2)

    with pytest.raises(ClaimLost):
        runner_of(job).run("load", be_rescued, atomic=True)

    assert marks() == 0
    assert not job.steps.exists()


@pytest.mark.django_db(transaction=True)
def test_an_atomic_step_waits_for_a_database_that_is_away_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away: list[Exception] = []

    def patiently(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except OperationalError as error:
            away.append(error)
            return call()

    monkeypatch.setattr(steps, "reconnect", Mock(side_effect=[OperationalError, None]))
    runner = runner_of(running_job(), through=patiently)

    assert runner.run("load", leave_a_mark, atomic=True) == "worked"
    assert (len(away), marks()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_an_atomic_step_inside_an_open_transaction_is_refused() -> None:
    fn = Mock()
    runner = runner_of(running_job())

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        runner.run("load", fn, atomic=True)
    fn.assert_not_called()


def test_an_atomic_step_costs_one_statement_more(budget: Budget) -> None:
    runner = runner_of(running_job())
    runner.run("fetch", lambda: 1)

    with budget(2 + asks_first()):
        runner.run("load", lambda: 2, atomic=True)


def test_a_step_that_cannot_be_written_for_another_reason_is_no_lost_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = runner_of(running_job())
    monkeypatch.setattr(statements, "insert_while", Mock(side_effect=IntegrityError("too long")))

    with pytest.raises(IntegrityError, match="too long"):
        runner.run("load", lambda: 1)
