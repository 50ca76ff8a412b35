"""Drawing: workflows at random, each from a seed that is all one needs to draw it again."""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.oracle import trees
from tests.acceptance.oracle.trees import BREAKS, SUCCEEDS, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEEPEST: Final = 4
#: Tasks of one workflow, about.
MOST: Final = 12
#: Options of a task, and how each is drawn.
OPTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "priority": (0, 3, 6, 9),
    "queue": ("other",),
    "countdown": (0.3, 0.6),
    "eta": (0.5,),
    "expires": (600,),
    "time_limit": (300,),
    "soft_time_limit": (200,),
    "headers": ("blue",),
    "stamp": ("red",),
    "task_id": ("own",),
    "ignore_result": (True,),
}
#: Options of a composition.
WHOLE: Final = ("priority", "queue")
SIZES: Final = {
    "chain": (0, *(1, 2, 2, 3, 3, 4) * 5),
    "group": (0, *(1, 2, 2, 3, 3, 4) * 5),
    "chord": (1, *(2, 3, 3, 4) * 7),
}


def drawn(seed: int) -> Tree:
    """Return the workflow of a seed."""
    return Hand(random.Random(seed)).workflow()


class Hand:
    """Draws one workflow."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.left = chance.randint(2, MOST)
        self._numbers = count(1)
        #: How wild this one is: most have no options, or nothing that breaks, or neither.
        self.optional = chance.choice((0.0, 0.0, 0.15, 0.4))
        self.breaking = chance.choice((0.0, 0.0, 0.0, 0.1, 0.25))
        self.replacing = chance.choice((0.0, 0.0, 0.0, 0.15))
        self.calling = chance.choice((0.0, 0.0, 0.15))

    def workflow(self) -> Tree:
        """Return a composition; some are called with arguments."""
        tree = self.composed(DEEPEST)
        return {**tree, "given": ["x"]} if self._is(0.2) else tree

    def composed(self, room: int) -> Tree:
        """Return a chain, group or chord in which compositions are nested so deep at most."""
        kind = self.chance.choice(("chain", "chain", "group", "chord"))
        parts = [self._part(room - 1) for _ in range(self.chance.choice(SIZES[kind]))]
        return {"kind": kind, "parts": parts, **dict(self._about_whole())}

    def _is(self, share: float) -> bool:
        return self.chance.random() < share

    def _part(self, room: int) -> Tree:
        if room > 0 and self.left > 1 and self._is(0.4):
            return self.composed(room)
        return self._task(room)

    def _task(self, room: int = 0) -> Tree:
        self.left -= 1
        made = trees.task(self._name(), self._does(), **dict(self._about()))
        if room > 0 and self.left > 1 and self._is(self.replacing):
            by = self._task() if self._is(0.4) else self.composed(min(room, 2))
            return {**made, "does": "replace", "by": by}
        return made

    def _name(self) -> str:
        return f"t{next(self._numbers)}"

    def _does(self) -> str:
        return self.chance.choice(BREAKS if self._is(self.breaking) else SUCCEEDS)

    def _about(self) -> Iterator[tuple[str, Any]]:
        if self._is(0.2):
            yield "immutable", True
        if self._is(0.3):
            yield "args", [self.chance.choice((1, "own", None, [2, 3], {"k": "v"}))]
        yield from self._options(sorted(OPTIONS), self.optional)
        yield from self._callbacks(self.calling)

    def _about_whole(self) -> Iterator[tuple[str, Any]]:
        yield from self._options(WHOLE, self.optional / 4)
        yield from self._callbacks(self.calling / 4)

    def _options(self, names: Sequence[str], share: float) -> Iterator[tuple[str, Any]]:
        if self._is(share):
            some = self.chance.sample(names, min(len(names), self.chance.choice((1, 1, 2, 3))))
            yield "options", {name: self.chance.choice(OPTIONS[name]) for name in some}

    def _callbacks(self, share: float) -> Iterator[tuple[str, Any]]:
        if self._is(share):
            yield "link", [self._callback() for _ in range(self.chance.choice((1, 1, 2)))]
        if self._is(share):
            yield "link_error", [trees.task(self._name(), self.chance.choice(("told", "named")))]

    def _callback(self) -> Tree:
        made = self._plain_callback()
        if self._is(0.3):
            kind = self.chance.choice(("chain", "group"))
            return {"kind": kind, "parts": [made, self._plain_callback()]}
        return made

    def _plain_callback(self) -> Tree:
        about = {"immutable": True} if self._is(0.3) else {}
        names = sorted(OPTIONS.keys() - {"task_id"})
        options = dict(self._options(names, self.optional))
        return trees.task(self._name(), "echo", **about, **options)
