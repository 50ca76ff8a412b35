"""Longest: the path through a graph that decided how long the whole took.

Of elements side by side it is the one that ended last, and so on inside of its boxes.  As long as
one of them has not ended there is no such path; boxes that have are looked at by themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from celery_jobman.admin.batch.graph.parts import Box, head_of, parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from celery_jobman.admin.batch.graph.parts import Element, Part


def marked(elements: Sequence[Element]) -> tuple[Element, ...]:
    """Return the elements, with the links on the longest path marked.

    Links that never began are on no path.  Where nothing that began is side by side with anything,
    on any level, nothing is marked: all of it would be.
    """
    if not _is_over(elements):
        return tuple(tuple(map(_looked_into, element)) for element in elements)
    return _path(elements) if _has_choice(elements) else tuple(elements)


def has_longest(elements: Sequence[Element]) -> bool:
    """Return whether any link is marked."""
    return any(
        head_of(part).is_longest or (isinstance(part, Box) and has_longest(part.elements))
        for part in parts(elements)
    )


def _looked_into(part: Part) -> Part:
    return replace(part, elements=marked(part.elements)) if isinstance(part, Box) else part


def _path(elements: Sequence[Element]) -> tuple[Element, ...]:
    """Return elements of which the longest is on the path."""
    if not _is_over(elements):
        return marked(elements)
    ends = [_end(element) for element in elements]
    last = max((end for end in ends if end), default=None)
    longest = ends.index(last) if last else None
    return tuple(
        tuple(map(_on_path, element)) if index == longest else element
        for index, element in enumerate(elements)
    )


def _on_path(part: Part) -> Part:
    head = head_of(part)
    if head.ending.at is None:
        return part
    head = replace(head, is_longest=True)
    return Box(head=head, elements=_path(part.elements)) if isinstance(part, Box) else head


def _is_over(elements: Sequence[Element]) -> bool:
    return all(head_of(part).ending.is_over for part in parts(elements))


def _end(element: Element) -> datetime | None:
    """Return when the last link of an element ended; None if none had begun."""
    ends = [end for part in element if (end := head_of(part).ending.at)]
    return max(ends, default=None)


def _has_choice(elements: Sequence[Element]) -> bool:
    """Whether two elements that began are side by side, here or inside of the only one."""
    began = [element for element in elements if _end(element)]
    return len(began) > 1 or any(
        isinstance(part, Box) and _has_choice(part.elements) for part in parts(began)
    )
