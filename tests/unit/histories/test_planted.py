"""Bugs planted on purpose: the machine must find each within a minute, or it holds nothing.

The same histories are played each time, so that a run takes as long as the one before.  With
``JOBMAN_TEST_PLANTED=random`` others are played; with ``-s`` each bug says how long it took.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from celery_jobman.core import (
    attempts,
    cancellation,
    redelivery,
    rescheduling,
    rescue,
    retries,
    statements,
    steps,
    transitions,
    troubles,
)
from celery_jobman.core.checkpoints import Checkpoints
from celery_jobman.core.iterations import Iteration
from celery_jobman.core.statements import OneOf
from celery_jobman.models import Job, Outcome, Step, StepState
from celery_jobman.states import State
from tests import databases
from tests.unit.histories.machine import LONG, Histories

if TYPE_CHECKING:
    from collections.abc import Callable

    Plant = Callable[[pytest.MonkeyPatch], None]

#: Histories, and seconds of this process, within which each must be found.
ENOUGH, MINUTE = 2_000, 60
#: Beginnings among which they are shared out: one may look for long at what leads nowhere.
TRIES = 100
AT_RANDOM = os.environ.get("JOBMAN_TEST_PLANTED") == "random"


def _without(monkeypatch: pytest.MonkeyPatch, verb: State, condition: str) -> None:
    """Leave one condition out of the moves to a state."""
    move = transitions.try_move

    def forgetful(job_id: Any, to: State, *, at: Any = transitions.NOWHERE, **rest: Any) -> bool:
        kept = {name: value for name, value in at.items() if to != verb or name != condition}
        return move(job_id, to, at=kept, **rest)

    monkeypatch.setattr(transitions, "try_move", forgetful)


def claims_ignore_the_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, State.RUNNING, "delivery")


def claims_ignore_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, State.RUNNING, "attempt")


def claims_take_a_job_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    update = statements.update

    def greedy(model: Any, where: Any, changes: Any, along: Any = None) -> int:
        if changes.get("state") == State.RUNNING:
            states = (*where["state"].values, State.RUNNING)
            where = {**where, "state": OneOf(states)}
            del where["attempt"]
        return update(model, where, changes, along)

    monkeypatch.setattr(statements, "update", greedy)


def ends_ignore_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, State.SUCCEEDED, "attempt")


def back_offs_ignore_a_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "NOT_ASKED_TO_STOP", {})


def checkpoints_ignore_who_holds_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(alias: str, model: Any, row: Any, *_: Any) -> bool:
        statements.insert(alias, model, row)
        return True

    monkeypatch.setattr(statements, "insert_while", careless)


def atomic_steps_do_not_confirm_their_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints_ignore_who_holds_the_job(monkeypatch)
    monkeypatch.setattr(steps.StepRunner, "confirm_claim", lambda _: None)


def losses_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = rescue._lost
    monkeypatch.setattr(
        rescue, "_lost", lambda *told: replace(lost(*told), outcome=Outcome.INTERRUPTED)
    )


def rescues_take_from_the_living(monkeypatch: pytest.MonkeyPatch) -> None:
    orphaned = rescue._orphaned
    monkeypatch.setattr(rescue, "_orphaned", lambda silence, now: orphaned(silence / 10, now))


def retries_leave_messages_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = retries.fresh

    def stale(job: Any) -> dict[str, Any]:
        changes = fresh(job)
        del changes["delivery"]
        return changes

    monkeypatch.setattr(retries, "fresh", stale)


def reschedules_leave_messages_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescheduling, "Plus", lambda _: statements.Plus(0))


def lost_messages_are_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redelivery, "_again", lambda *_: None)


def cancels_do_not_reach_scheduled_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "WAITING", frozenset({State.QUEUED}))


def rewinds_set_nothing_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_from", lambda *_: [])


def one_job_stops_the_rescue_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles.Aside, "guarding", lambda *_: nullcontext())


def failures_are_written_over_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Checkpoints, path: str, columns: dict[str, Any]) -> bool:
        rows = Step.objects.filter(job_id=self.job_id, name=path, superseded=0)
        mine = Job.objects.filter(attempts.is_ours(self.job_id, self.number))
        return mine.exists() and bool(rows.update(**columns))

    monkeypatch.setattr(Checkpoints, "_update", careless)


def replays_forget_what_they_have_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    skipped = vars(Iteration)["skipped"].fget

    def begun_anew(self: Iteration) -> list[dict[str, Any]]:
        before = self._replay[1] if self._replay else 0
        return skipped(self)[before:]  # type: ignore[no-any-return]

    monkeypatch.setattr(Iteration, "skipped", property(begun_anew))


def replays_that_break_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    save = steps.StepRunner.save

    def careless(self: steps.StepRunner, path: str, **columns: Any) -> None:
        if columns["state"] == StepState.REPLAYING:
            columns["state"] = StepState.FAILED
        save(self, path, **columns)

    monkeypatch.setattr(steps.StepRunner, "save", careless)


PLANTS: list[Plant] = [
    claims_ignore_the_delivery,
    claims_ignore_the_attempt,
    claims_take_a_job_that_runs,
    ends_ignore_the_attempt,
    back_offs_ignore_a_cancel,
    checkpoints_ignore_who_holds_the_job,
    atomic_steps_do_not_confirm_their_claim,
    losses_are_not_counted,
    rescues_take_from_the_living,
    retries_leave_messages_valid,
    reschedules_leave_messages_valid,
    lost_messages_are_not_sent_again,
    cancels_do_not_reach_scheduled_jobs,
    rewinds_set_nothing_aside,
    one_job_stops_the_rescue_of_all,
    failures_are_written_over_checkpoints,
    replays_forget_what_they_have_not_done,
    replays_that_break_are_over,
]


@pytest.mark.skipif(databases.chosen() != "sqlite", reason="the machine is tried on one database")
@pytest.mark.django_db
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    began = time.process_time()

    with pytest.raises(Exception) as found:  # noqa: PT011 - whatever it stumbles over
        play()

    took = time.process_time() - began
    assert not isinstance(found.value, TypeError | NameError | AttributeError)
    assert took < MINUTE
    print(f"{plant.__name__}: {took:.1f} s: {str(found.value)[:80]!r}")  # noqa: T201 - -s shows it


def play() -> None:
    """Play histories until one finds something."""
    once = settings(
        LONG,
        max_examples=ENOUGH // TRIES,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        database=None,
    )
    for number in range(TRIES):
        machine = type("Histories", (Histories,), {})
        if not AT_RANDOM:
            seed(number)(machine)
        run_state_machine_as_test(machine, settings=once)
