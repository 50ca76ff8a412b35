"""The table: a shape, what happens in it, and where; and what must become of it.

In every run something happens at each part of each shape, and at one of those of a nesting of
depth three; a different thing each time; the grounds share them.  On each ground processes are
killed at every moment between the end of a part and what follows it.

``JOBMAN_TEST_SHAPES=10`` tries every tenth of all that can happen anywhere besides, on each
ground; ``1`` tries all of it, which takes hours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.workflows.events import DEATHS, EVENTS, happen
from tests.acceptance.workflows.model import World
from tests.acceptance.workflows.shapes import SHAPES, Shape, is_deep, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.workflows.events import Event

GROUNDS: Final = (("redis", "postgresql"), ("rabbitmq", "mariadb"))
EVERY: Final = int(os.environ.get("JOBMAN_TEST_SHAPES", "0"))
_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One workflow in which one thing happens."""

    key: str
    title: str
    shape: Shape
    event: Event
    #: The part to which it happens.
    part: str
    #: How often it was woven in vain.
    tries: int = 0

    def __str__(self) -> str:
        return f"{self.title}-{self.event.name}-{self.part}".replace(" ", "_")

    @cached_property
    def world(self) -> World:
        """What must become of it."""
        world = World(self.shape)
        happen(self.event, world, world.parts[self.part])
        return world

    @property
    def batch(self) -> str:
        """The path of the batch that the part is in."""
        around = self.world.parts[self.part].around
        return around.name if around else ""

    @property
    def marches(self) -> bool:
        """The part runs until somebody stops it."""
        return "march" in self.event.acts

    @property
    def name(self) -> str:
        """What the workflow is called."""
        return f"{self.key}t{self.tries}" if self.tries else self.key

    @property
    def tag(self) -> str:
        """What the part is called by gates."""
        return f"{self.name}.{self.part}"

    def again(self) -> Case:
        """Return the same, for another try."""
        return replace(self, tries=self.tries + 1)

    def plan(self, queue: str, late_queue: str) -> dict[str, Any]:
        """Return what the project needs to know to dispatch it.

        What must not begin before the event is put into a queue that nobody consumes yet.
        """
        part = self.world.parts[self.part]
        return {
            "key": self.name,
            "shape": self.shape,
            "queue": queue,
            "late_queue": late_queue,
            "acts": {self.part: self.event.acts},
            "late": sorted(self.world.beside(part)) if self.event.is_first else [],
            "excused": [self.part] if self.event.allowed_to == "link" else [],
            "allowances": {self.batch: 1} if self.event.allowed_to == "batch" else {},
        }


def _case(title: str, event: Event, part: str) -> Case:
    key = f"w{next(_numbers)}"
    return Case(key=key, title=title, shape=SHAPES[title], event=event, part=part)


def _places() -> Iterator[tuple[str, str, list[Event]]]:
    """Yield every part of every shape, and the events that have a meaning there."""
    for title, shape in SHAPES.items():
        world = World(shape)
        for name in parts_of(shape):
            part = world.parts[name]
            yield title, name, [event for event in EVENTS if event.applies(world, part)]


def _others() -> list[Case]:
    if not EVERY:
        return []
    found = [_case(title, event, part) for title, part, events in _places() for event in events]
    return found[::EVERY]


def _shared() -> dict[tuple[str, str], list[Case]]:
    found: dict[tuple[str, str], list[Case]] = {ground: [] for ground in GROUNDS}
    tried = dict.fromkeys(EVENTS, 0)
    for title, part, events in _places():
        if part in tried_parts(title):
            event = min(events, key=lambda event: tried[event])
            found[GROUNDS[tried[event] % len(GROUNDS)]].append(_case(title, event, part))
            tried[event] += 1
    return found


def tried_parts(title: str) -> list[str]:
    """Return the parts of a shape to which something happens in every run."""
    parts, number = parts_of(SHAPES[title]), [*SHAPES].index(title)
    return [parts[number % len(parts)]] if is_deep(title) else parts


def _deaths() -> list[Case]:
    return [_case(title, event, part) for title, part, event in DEATHS]


#: By ground: what is tried there.
CASES: Final = {ground: [*_deaths(), *cases, *_others()] for ground, cases in _shared().items()}
