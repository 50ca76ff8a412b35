"""Parts: what a graph is made of.

A workflow is elements side by side; an element is links in sequence; a link is a node, or a box
with elements of its own.  So the whole is series-parallel, and can be drawn without a crossing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.batch.bar import Counts


class Ending(NamedTuple):
    """How what a node stands for came to its end."""

    #: All of it has ended, in whatever way.
    is_over: bool = False
    #: When the last of it ended that had begun; None if nothing ended, or nothing had begun.
    at: datetime | None = None


#: The ending of what has not ended, or of which nothing is known.
GOING_ON: Final = Ending()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A job, a batch that is not unfolded, or many links that are equal."""

    name: str
    badge: Badge
    #: Below the name: how long it took, or how many are done.
    note: str = ""
    #: What it says to those who do not see it.
    said: str = ""
    #: Empty when the user may not see it.
    href: str = ""
    #: Of a batch, or of many.
    counts: Counts | None = None
    #: How many links it stands for; one unless they are folded.
    times: int = 1
    #: The batch that it is, and could be unfolded to.
    batch_id: UUID | None = None
    ending: Ending = GOING_ON
    #: It is on the path that took longest.
    is_longest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A batch that is unfolded, with its elements."""

    head: Node
    elements: tuple[Element, ...]


Part = Node | Box
Element = tuple[Part, ...]


def nodes(elements: Sequence[Element]) -> int:
    """Return how many nodes are drawn."""
    return sum(nodes(part.elements) if isinstance(part, Box) else 1 for part in parts(elements))


def parts(elements: Sequence[Element]) -> Iterator[Part]:
    """Yield the links of all elements."""
    for element in elements:
        yield from element


def head_of(part: Part) -> Node:
    """Return the node that a link is, or that is above a box."""
    return part.head if isinstance(part, Box) else part
