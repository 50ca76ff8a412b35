"""Wording: a graph in words, as a sentence and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celery_jobman.admin.batch.graph.parts import Box, head_of, nodes
from celery_jobman.insight.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.batch.graph.parts import Element, Node

#: Deepest that a row of the table is indented.
DEEPEST = 6


class Row(NamedTuple):
    """A node as a row of the table."""

    name: str
    href: str
    badge: Badge
    note: str
    #: The link that it waits for; empty for the first of an element.
    after: str
    #: How many batches it is inside of, for its indentation.
    depth: int
    times: str
    is_longest: bool


def summary(elements: Sequence[Element]) -> str:
    """Return the graph in a sentence."""
    count = nodes(elements)
    text = ngettext("Graph of %(count)s node", "Graph of %(count)s nodes", count)
    return text % {"count": number(count)}


def said(node: Node) -> str:
    """Return what a node says to those who do not see it."""
    return f"{node.said}, {_('on the longest path')}" if node.is_longest else node.said


def table(elements: Sequence[Element], depth: int = 0) -> Iterator[Row]:
    """Yield the rows, in the order of the drawing."""
    for element in elements:
        before = ""
        for part in element:
            head = head_of(part)
            yield _row(head, before, depth)
            if isinstance(part, Box):
                yield from table(part.elements, depth + 1)
            before = head.name


def _row(node: Node, before: str, depth: int) -> Row:
    times = _("%(count)s times") % {"count": number(node.times)} if node.times > 1 else ""
    return Row(
        node.name,
        node.href,
        node.badge,
        node.note,
        before,
        min(depth, DEEPEST),
        times,
        node.is_longest,
    )
