"""Placing: where each node, box and line of a graph lies.

Everything in a series stands on one line, middle to middle, so that each line between two links
is straight and crosses nothing.  An axis says which way the series run.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from celery_jobman.admin.batch.graph.axis import RIGHT
from celery_jobman.admin.batch.graph.parts import Box, Node, head_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery_jobman.admin.batch.graph.axis import Axis
    from celery_jobman.admin.batch.graph.parts import Element, Part

    Pair = tuple[float, float]

#: Sizes in pixels: a node, between links, between elements, and inside a box below its title.
WIDTH, HEIGHT = 216.0, 50.0
BETWEEN, BESIDE = 40.0, 12.0
PADDING, TITLE = 12.0, 30.0


class Placed(NamedTuple):
    """A node or a box, and where it lies."""

    part: Part
    x: float
    y: float
    width: float
    height: float


class Line(NamedTuple):
    """From the middle of one link's side to that of the next, always the way the graph runs."""

    x: float
    y: float
    #: Where it ends: an x, or a y when the graph runs down.
    to: float
    #: The link that it comes from has succeeded.
    is_done: bool
    #: It is on the longest path.
    is_longest: bool


class Plan:
    """All of a graph, placed.  Boxes come before what is inside them.

    Pairs of lengths are (along, across) in here, and (x, y) only in what is placed.

    Args:
        elements: What stands side by side.
        axis: The way it runs.
    """

    def __init__(self, elements: Sequence[Element], axis: Axis = RIGHT) -> None:
        self.axis = axis
        self.placed: list[Placed] = []
        self.lines: list[Line] = []
        self._sizes: dict[int, Pair] = {}
        self.width, self.height = axis.turned(*self._extent(elements))
        self._place(elements, 0.0, 0.0)

    def _size(self, part: Part) -> Pair:
        if isinstance(part, Node):
            return self.axis.turned(WIDTH, HEIGHT)
        if id(part) not in self._sizes:
            self._sizes[id(part)] = self._around(part)
        return self._sizes[id(part)]

    def _around(self, box: Box) -> Pair:
        width, height = self.axis.turned(*self._extent(box.elements))
        return self.axis.turned(max(width, WIDTH) + 2 * PADDING, height + TITLE + PADDING)

    def _length(self, element: Element) -> Pair:
        sizes = [self._size(part) for part in element]
        along = sum(along for along, _across in sizes) + BETWEEN * (len(sizes) - 1)
        return along, max(across for _along, across in sizes)

    def _extent(self, elements: Sequence[Element]) -> Pair:
        if self._is_plain(elements):
            ranks, abreast = self.axis.stacked(len(elements))
            along, across = self.axis.turned(WIDTH + BESIDE, HEIGHT + BESIDE)
            return ranks * along - BESIDE, abreast * across - BESIDE
        lengths = [self._length(element) for element in elements]
        whole = sum(across for _along, across in lengths) + BESIDE * (len(lengths) - 1)
        return max((along for along, _across in lengths), default=0.0), max(whole, 0.0)

    def _is_plain(self, elements: Sequence[Element]) -> bool:
        """Whether there are many elements that are nothing but a node."""
        return len(elements) > self.axis.abreast and all(
            len(element) == 1 and isinstance(element[0], Node) for element in elements
        )

    def _place(self, elements: Sequence[Element], along: float, across: float) -> None:
        if self._is_plain(elements):
            self._grid(elements, along, across)
            return
        for element in elements:
            _long, wide = self._length(element)
            self._series(element, along, across, wide)
            across += wide + BESIDE

    def _grid(self, elements: Sequence[Element], along: float, across: float) -> None:
        _ranks, abreast = self.axis.stacked(len(elements))
        long, wide = self.axis.turned(WIDTH + BESIDE, HEIGHT + BESIDE)
        for index, (part,) in enumerate(elements):
            rank, place = divmod(index, abreast)
            self._put(part, along + rank * long, across + place * wide)

    def _series(self, element: Element, along: float, across: float, room: float) -> None:
        ends = []
        for part in element:
            long, wide = self._size(part)
            self._put(part, along, across + (room - wide) / 2)
            ends.append(along + long)
            along += long + BETWEEN
        for (part, after), end in zip(pairwise(element), ends, strict=False):
            self._lead(head_of(part), head_of(after), end, across + room / 2)

    def _put(self, part: Part, along: float, across: float) -> None:
        x, y = self.axis.turned(along, across)
        self.placed.append(Placed(part, x, y, *self.axis.turned(*self._size(part))))
        if isinstance(part, Box):
            self._place(part.elements, *self.axis.turned(x + PADDING, y + TITLE))

    def _lead(self, node: Node, after: Node, along: float, across: float) -> None:
        x, y = self.axis.turned(along, across)
        is_done, is_longest = node.badge.tone == "ok", node.is_longest and after.is_longest
        self.lines.append(Line(x, y, along + BETWEEN, is_done, is_longest))
