"""A loop in a body, and what must come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.models import StepState
from tests.unit.histories.model import Saved

if TYPE_CHECKING:
    from tests.unit.histories.bodies import Bodies
    from tests.unit.histories.model import Body


class Loop:
    """A loop over three items, whose cursor is saved after each."""

    def __init__(self, world: Bodies, body: Body, *, bad: bool, meanwhile: bool) -> None:
        self.world, self.body, self.bad, self.meanwhile = world, body, bad, meanwhile
        self.known = body.job.steps.get("rows")
        self.position = self.known.position if self.known else len(body.used)
        self.seen: list[int] = []

    def each(self, item: int) -> None:
        self.seen.append(item)
        if item != 2:
            return
        if self.meanwhile:
            if self.body.holds and self.seen == [1, 2]:
                self._save(StepState.RUNNING, [], 1)
            self.world.the_worker_is_silent(self.body)
        if self.bad:
            raise ValueError("no such row")

    def ended(self) -> None:
        """Hold what it ran against the model, and write down what it must have stored."""
        left = self._left()
        assert self.seen == left, "an item that was done ran again, or one was forgotten"
        if not (self.known and self.known.done):
            before = self.known.value[0] if self.known and not self._replays() else []
            skipped = [2] if self.bad and 2 in left else before
            self._save(StepState.SUCCEEDED, skipped, 3)

    def _replays(self) -> bool:
        return self.known is not None and self.known.state == StepState.REPLAYING

    def _left(self) -> list[int]:
        if self.known is None:
            return [1, 2, 3]
        skipped, done = self.known.value
        return list(skipped) if self._replays() else [1, 2, 3][done:]

    def _save(self, state: StepState, skipped: list[int], done: int) -> None:
        self.body.job.steps["rows"] = Saved(self.position, state, (skipped, done))
