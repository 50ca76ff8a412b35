"""Rules: what the bodies of jobs do."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

from django.contrib.auth.models import Group
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from celery_jobman.core import cancellation, progress, steps
from celery_jobman.core.progress import Progress
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Outcome, StepState
from celery_jobman.states import FINAL, State
from tests.unit.histories.hands import WAITS, Hands
from tests.unit.histories.loops import Loop, OutOfTime
from tests.unit.histories.model import Body, Saved
from tests.unit.histories.traffic import NEWEST, Traffic
from tests.unit.histories.world import PICKS, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = st.sampled_from(["load", "check", "send"])


class Late(Exception):
    """What a hook raises after the commit."""


def _be_late() -> NoReturn:
    raise Late


@contextmanager
def _committing(**options: Any) -> Iterator[None]:
    """Stand for a transaction that is committed at its end: its hooks run then."""
    known = len(connection.run_on_commit)
    with transaction.atomic(**options):
        yield
    hooks = connection.run_on_commit[known:]
    del connection.run_on_commit[known:]
    for entry in hooks:
        entry[1]()


class Bodies(Hands, Traffic):
    """What a body does, whether it still holds its job or not."""

    @precondition(lambda self: self.awake())
    @rule(
        pick=PICKS,
        name=STEPS,
        atomic=st.booleans(),
        fails=st.sampled_from(["", "", "in its work", "in a hook"]),
        meanwhile=st.booleans(),
    )
    def a_step(self, pick: int, name: str, fails: str, *, atomic: bool, meanwhile: bool) -> None:
        self.step(one_of(self.awake(), pick), name, atomic=atomic, fails=fails, meanwhile=meanwhile)

    def step(
        self,
        body: Body,
        name: str,
        *,
        atomic: bool = False,
        fails: str = "",
        meanwhile: bool = False,
    ) -> None:
        """Run a step; what fails in a hook fails after the commit of an atomic one."""
        value = f"{body.run.number} {len(body.used)}"

        def work() -> str:
            if atomic:
                Group.objects.create(name=f"{body.job.id} {name} {value}")
            if meanwhile:
                self.the_worker_is_silent(body)
            if atomic and fails == "in a hook":
                transaction.on_commit(_be_late)
            if fails == "in its work":
                raise ValueError("no stock")
            return value

        meanwhile = meanwhile and not atomic  # it would happen inside the step's transaction
        if name not in body.used:
            with patch.object(steps, "transaction", SimpleNamespace(atomic=_committing)):
                run = partial(body.steps.run, name, work, atomic=atomic)
                result = self._ran(body, name, value, run)
            if result == value and body.holds:
                self.effects += atomic

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS, name=STEPS, then=st.sampled_from(["it ends", "a step", "nothing"]))
    def a_worker_is_taken_for_dead_and_comes_back(self, pick: int, name: str, then: str) -> None:
        """Its job goes on elsewhere, and the old body may be the first to write."""
        held = [body for body in self.awake() if body.holds]
        body = one_of(held or self.awake(), pick)
        self.the_worker_is_silent(body)
        self.go_on(NEWEST, pick, doubled=False)
        if then == "a step":
            self.step(body, name)
        elif then == "it ends":
            self._ends(self.awake().index(body), Outcome.SUCCEEDED, State.SUCCEEDED)

    def the_worker_is_silent(self, body: Body) -> None:
        """Take the body's job from it while it is at work."""
        body.hand.frozen = True
        self.now += timedelta(minutes=1)
        self._beat_all()
        self.rescue()
        body.hand.frozen = False

    def _ran(self, body: Body, name: str, value: str, call: Callable[[], Any]) -> Any:
        """Run a step, and write down what it must have stored; return what it has stored."""
        known, position = body.job.steps.get(name), body.place(name)
        body.used.append(name)
        reused = known is not None and known.done
        try:
            result = call()
        except ValueError:
            result, state = None, StepState.FAILED
        except ClaimLost:
            assert not body.holds, "a body that holds its job was turned away"
            return None
        except Late:
            result, state = value, StepState.SUCCEEDED
        else:
            state = StepState.SUCCEEDED
        if body.holds and reused:
            assert known is not None
            assert result == known.value, "a checkpoint that was reported is gone"
            return None
        if body.holds:
            old = known.value if known else None
            stored = result if state == StepState.SUCCEEDED else old
            body.job.steps[name] = Saved(position, state, stored)
        return result

    @rule(
        hand=PICKS,
        names=st.lists(STEPS, max_size=2, unique=True),
        atomic=st.booleans(),
        fails=st.sampled_from(["", "", "in a hook"]),
        asked=st.booleans(),
        end=st.sampled_from([None, None, State.SUCCEEDED, State.FAILED, State.SCHEDULED]),
    )
    def a_job_runs(
        self,
        hand: int,
        names: list[str],
        fails: str,
        end: State | None,
        *,
        atomic: bool,
        asked: bool,
    ) -> None:
        """Begin a job, run some steps, and perhaps end it: what a life mostly is."""
        self.go_on(NEWEST, hand, doubled=True)
        last = len(self.awake()) - 1
        for name in names if last >= 0 else ():
            self.step(self.awake()[last], name, atomic=atomic, fails=fails)
        if asked and last >= 0 and self.awake()[last].holds:
            cancellation.cancel(self.awake()[last].job.id, now=self.now)
            self.awake()[last].job.cancel(force=False)
        if end is not None and last >= 0:
            outcome = Outcome.SUCCEEDED if end == State.SUCCEEDED else Outcome.FAILED
            self._ends(last, outcome, end, timedelta(0) if end == State.SCHEDULED else None)

    @precondition(lambda self: self.awake())
    @rule(
        pick=PICKS,
        bad=st.sampled_from([(), (2,), (1, 3), (1, 2, 3)]),
        breaks=st.sampled_from([None, None, 1, 2, 3]),
        meanwhile=st.booleans(),
    )
    def an_iteration(
        self, pick: int, bad: tuple[int, ...], breaks: int | None, *, meanwhile: bool
    ) -> None:
        self.iterate(one_of(self.awake(), pick), bad, breaks, meanwhile=meanwhile)

    def iterate(
        self, body: Body, bad: tuple[int, ...], breaks: int | None, *, meanwhile: bool = False
    ) -> None:
        if "rows" in body.used:
            return
        loop = Loop(self, body, bad=bad, breaks=breaks, meanwhile=meanwhile)
        body.used.append("rows")
        try:
            body.steps.iterate("rows", [1, 2, 3], each=loop.each, on_error="skip", every=1)
        except OutOfTime:
            loop.broke()
        except ClaimLost:
            assert not body.holds, "a body that holds its job was turned away"
        else:
            if body.holds:
                loop.ended()

    @rule(hand=PICKS, again=st.sampled_from([(), (2,)]), breaks=st.sampled_from([None, 2, 3]))
    def what_was_skipped_is_replayed(
        self, hand: int, again: tuple[int, ...], breaks: int | None
    ) -> None:
        """A loop skips all its items, and a replay of them may come to no end."""
        self.go_on(NEWEST, hand, doubled=False)
        held = [body for body in self.awake() if body.holds and "rows" not in body.used]
        if not held:
            return
        body = held[-1]
        self.iterate(body, (1, 2, 3), None)
        self._ends(self.awake().index(body), Outcome.SUCCEEDED, State.SUCCEEDED)
        if body.job.state in FINAL and body.job.steps["rows"].value[0]:
            self.replay(body.job)
            self.go_on(NEWEST, hand, doubled=False)
        held = [each for each in self.awake() if each.holds and each.job is body.job]
        for each in held:
            self.iterate(each, again, breaks)

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def progress_is_reported(self, pick: int) -> None:
        body = one_of(self.awake(), pick)
        report = Progress(1, 2)
        number = body.run.number
        written = progress.write(body.job.id, number, now=self.now, report=report, step="load")
        assert written == body.holds

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def a_body_succeeds(self, pick: int) -> None:
        self._ends(pick, Outcome.SUCCEEDED, State.SUCCEEDED)

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def a_body_fails(self, pick: int) -> None:
        self._ends(pick, Outcome.FAILED, State.FAILED)

    @precondition(lambda self: self.awake())
    @rule(
        pick=PICKS,
        outcome=st.sampled_from(
            [Outcome.FAILED, Outcome.TIMED_OUT, Outcome.RELEASED, Outcome.INTERRUPTED]
        ),
        wait=WAITS,
    )
    def a_body_goes_back_on_the_schedule(
        self, pick: int, outcome: Outcome, wait: timedelta
    ) -> None:
        self._ends(pick, outcome, State.SCHEDULED, wait)

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def a_body_stops_because_it_was_asked_to(self, pick: int) -> None:
        if one_of(self.awake(), pick).job.asked_to_stop:
            self._ends(pick, Outcome.CANCELLED, State.CANCELLED)

    def _ends(self, pick: int, outcome: Outcome, to: State, wait: timedelta | None = None) -> None:
        body = one_of(self.awake(), pick)
        self.bodies.remove(body)
        body.steps.close()
        with self.by_a_clock(body.hand.off):
            self.finish(body, outcome, to, None if wait is None else self.now + wait)
