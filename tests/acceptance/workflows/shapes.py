"""Shapes: chains, groups, chords and batches, nested in one another.

A shape is a list: its kind, and what it is made of.  A word is a part.  Of a chord the last is
the body.  In a chain or a batch, a chain is no more than its links, and a chord its group and
its body.
"""

from __future__ import annotations

from itertools import count, product
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Shape = list[Any]

KINDS: Final = ("chain", "group", "chord", "batch")
DEPTH: Final = 3

#: What each kind looks like around something else.
AROUND: Final[dict[str, Callable[[Shape], Shape]]] = {
    "chain": lambda inner: ["chain", "-", inner, "-"],
    "group": lambda inner: ["group", "-", inner],
    "chord": lambda inner: ["chord", "-", inner, "-"],
    "batch": lambda inner: ["batch", "-", inner],
}
INNERMOST: Final[dict[str, Shape]] = {
    "chain": ["chain", "-", "-"],
    "group": ["group", "-", "-"],
    "chord": ["chord", "-", "-", "-"],
    "batch": ["batch", "-", "-"],
}

#: Shapes that come up in talk about what goes wrong.
OTHERS: Final[dict[str, Shape]] = {
    "a chain waiting behind a batch": ["chain", ["batch", "-", "-"], "-", "-"],
    "a batch of one in a chain": ["chain", "-", ["batch", "-"], "-"],
    "a batch behind a batch": ["chain", ["batch", "-", "-"], ["batch", "-", "-"]],
    "a group behind a group": ["chain", ["group", "-", "-"], ["group", "-", "-"], "-"],
    "two chains in a batch": ["batch", ["chain", "-", "-"], ["chain", "-", "-", "-"]],
    "a chord whose body is a batch": ["chord", "-", "-", ["batch", "-", "-"]],
    "a chord whose body is a chord": ["chord", "-", ["chord", "-", "-", "-"]],
    "a batch at the end of a chain in a group": [
        "group", ["chain", "-", ["batch", "-", "-"]], "-",
    ],
    "an empty group in a chain": ["chain", "-", ["group"], "-"],
    "an empty batch at the beginning": ["chain", ["batch"], "-", "-"],
    "a batch of one in a batch of one": ["batch", ["batch", "-"]],
    "a long chain": ["chain", "-", "-", "-", "-", "-"],
}  # fmt: skip


def _nested(kinds: tuple[str, ...]) -> Shape:
    *outer, innermost = kinds
    shape: Shape = INNERMOST[innermost]
    for kind in reversed(outer):
        shape = AROUND[kind](shape)
    return shape


def _lettered(shape: Shape) -> Shape:
    """Call the parts a, b, c … in the order in which they are written."""
    numbers = count()

    def name(part: Any) -> Any:
        return chr(ord("a") + next(numbers)) if part == "-" else each(part)

    def each(inner: Any) -> Any:
        return [name(part) for part in inner] if isinstance(inner, list) else inner

    return [shape[0], *(name(part) for part in shape[1:])]


def _all() -> Iterator[tuple[str, Shape]]:
    for depth in range(1, DEPTH + 1):
        for kinds in product(KINDS, repeat=depth):
            yield " in ".join(f"a {kind}" for kind in reversed(kinds)), _nested(kinds)
    yield from OTHERS.items()


#: By name: every nesting to depth three, and the others.
SHAPES: Final = {name: _lettered(shape) for name, shape in _all()}


def parts_of(shape: Any) -> list[str]:
    """Return the names of a shape's parts, in the order in which they are written."""
    if isinstance(shape, str):
        return [shape]
    return [name for inner in shape[1:] for name in parts_of(inner)]


def is_deep(title: str) -> bool:
    """Whether a shape is one of the many of depth three."""
    return title.count(" in a ") == DEPTH - 1 and title not in OTHERS
