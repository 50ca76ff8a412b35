"""A loop in a body, and what must come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.models import StepState
from tests.unit.histories.model import Saved

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.unit.histories.bodies import Bodies
    from tests.unit.histories.model import Body


class OutOfTime(Exception):
    """An error that says nothing of the item at which it is raised."""


class Loop:
    """A loop over three items, whose cursor is saved after each.

    Args:
        world: Where it happens.
        body: Whose loop it is.
        bad: The items that raise, and are skipped.
        breaks: The item at which the body ends, if it comes there.
        meanwhile: The job is taken from the body while it is at the second item.
    """

    def __init__(
        self,
        world: Bodies,
        body: Body,
        *,
        bad: Collection[int],
        breaks: int | None,
        meanwhile: bool,
    ) -> None:
        self.world, self.body = world, body
        self.bad, self.breaks, self.meanwhile = bad, breaks, meanwhile
        self.known = body.job.steps.get("rows")
        self.position = body.place("rows")
        self.replays = self.known is not None and self.known.state == StepState.REPLAYING
        self.skipped, self.done = self.known.value if self.known else ([], 0)
        self.left = list(self.skipped) if self.replays else [1, 2, 3][self.done :]
        self.seen: list[int] = []

    def each(self, item: int) -> None:
        self._last_is_done()
        self.seen.append(item)
        if item == 2 and self.meanwhile:
            self.world.the_worker_is_silent(self.body)
        if item == self.breaks:
            raise OutOfTime
        if item in self.bad:
            raise ValueError("no such row")

    def broke(self) -> None:
        """Hold what it ran, up to the item at which it was left, against the model."""
        assert self.seen == self.left[: len(self.seen)], "an item that was done ran again"

    def ended(self) -> None:
        """Hold what it ran against the model, and write down what it must have stored."""
        assert self.seen == self.left, "an item that was done ran again, or one was forgotten"
        if not (self.known and self.known.done):
            self._last_is_done()
            self._save(StepState.SUCCEEDED)

    def _last_is_done(self) -> None:
        """The loop was asked for another item: the last one is done, or skipped."""
        if not self.seen or not self.body.holds:
            return
        last = self.seen[-1]
        kept = [item for item in self.skipped if item != last or item in self.bad]
        self.skipped = [*kept, last] if last in self.bad and last not in kept else kept
        self.done = self.done if self.replays else last
        self._save(StepState.REPLAYING if self.replays else StepState.RUNNING)

    def _save(self, state: StepState) -> None:
        self.body.job.steps["rows"] = Saved(self.position, state, (self.skipped, self.done))
