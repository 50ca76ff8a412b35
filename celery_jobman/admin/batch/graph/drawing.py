"""Drawing: a placed graph as SVG, without a style of its own."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from celery_jobman.admin.batch import bar
from celery_jobman.admin.batch.graph.axis import RIGHT
from celery_jobman.admin.batch.graph.parts import Box
from celery_jobman.admin.batch.graph.placing import HEIGHT, TITLE, WIDTH, Plan
from celery_jobman.admin.batch.graph.wording import said
from celery_jobman.insight.wording import fitted, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery_jobman.admin.batch.bar import Counts
    from celery_jobman.admin.batch.graph.axis import Axis
    from celery_jobman.admin.batch.graph.parts import Element, Node
    from celery_jobman.admin.batch.graph.placing import Line, Placed

#: Around the drawing, so that outlines are not cut off.
MARGIN = 6
#: Most characters of a name, and of the note below it, that fit into a node.
NAME_LENGTH, NOTE_LENGTH = 24, 28
#: What a character of a box's title takes.
LETTER = 7.5
#: The bar in a node, from its left and from its bottom.
INSET, THICK = 10, 4
#: What keeps the text of a node inside of it, however wide its letters are.
CLIP = "jm-graph-clip"


def svg(elements: Sequence[Element], summary: str, axis: Axis = RIGHT) -> SafeString:
    """Return the drawing; its natural size is one pixel for each unit."""
    plan = Plan(elements, axis)
    width, height = _n(plan.width + 2 * MARGIN), _n(plan.height + 2 * MARGIN)
    return format_html(
        '<svg class="jm-graph-svg" role="group" aria-label="{}" width="{}" height="{}"'
        ' viewBox="-{} -{} {} {}">{}{}\n{}</svg>',
        summary,
        *(width, height, MARGIN, MARGIN, width, height),
        _clip(),
        format_html_join("\n", "{}", ((_part(placed),) for placed in plan.placed)),
        format_html_join("", "{}", ((_line(line, axis),) for line in plan.lines)),  # over boxes
    )


def _clip() -> SafeString:
    return format_html(
        '<clipPath id="{}"><rect width="{}" height="{}"/></clipPath>', CLIP, _n(WIDTH - 6), HEIGHT
    )


def _n(length: float) -> str:
    """Return a length as SVG writes it, in any language."""
    return f"{length:.1f}".removesuffix(".0")


def _line(line: Line, axis: Axis) -> SafeString:
    way, head = ("V", "-4 -6l4 6l4 -6") if axis.is_down else ("H", "-6 -4l6 4l-6 4")
    return format_html(
        '<path class="jm-graph-line{}{}" d="M{} {}{}{}m{}"/>',
        " jm-graph-done" if line.is_done else "",
        _bold(line),
        *(_n(line.x), _n(line.y), way, _n(line.to - 2), head),
    )


def _bold(what: Line | Node) -> str:
    return " jm-graph-longest" if what.is_longest else ""


def _part(placed: Placed) -> SafeString:
    part = placed.part
    return _box(placed, part) if isinstance(part, Box) else _linked(part, _node(placed, part))


def _linked(node: Node, inside: SafeString) -> SafeString:
    if not node.href:
        return format_html('<g role="img" aria-label="{}">{}</g>', said(node), inside)
    return format_html('<a href="{}" aria-label="{}">{}</a>', node.href, said(node), inside)


def _node(placed: Placed, node: Node) -> SafeString:
    tail = f" \N{MULTIPLICATION SIGN}{number(node.times)}" if node.times > 1 else ""
    return format_html(
        '<g class="jm-graph-node" transform="translate({} {})"><title>{}</title>{}'
        '<rect class="jm-graph-face jm-{}{}" width="{}" height="{}" rx="4"/>'
        '{}<g clip-path="url(#{})"><text class="jm-graph-name" x="34" y="20">{}{}</text>'
        '<text class="jm-graph-note" x="34" y="36">{}</text></g>{}</g>',
        *(_n(placed.x), _n(placed.y), said(node), _stack(node)),
        *(node.badge.tone, _bold(node), _n(WIDTH), _n(HEIGHT), _icon(node, 10, 9), CLIP),
        *(fitted(node.name, NAME_LENGTH - len(tail)), tail, fitted(node.note, NOTE_LENGTH)),
        _bar(node.counts) if node.counts else "",
    )


def _stack(node: Node) -> SafeString:
    """Return the edges of those behind a node that stands for many."""
    if node.times == 1:
        return SafeString("")
    return format_html(
        '<path class="jm-graph-stack" d="M6 -3H{}V{}"/>', _n(WIDTH + 3), _n(HEIGHT - 6)
    )


def _bar(counts: Counts) -> SafeString:
    room, top = WIDTH - 2 * INSET, HEIGHT - THICK - 3
    pieces = (
        (part.name, _n(INSET + room * part.begin), _n(top), _n(room * part.share), THICK)
        for part in bar.segments(counts)
    )
    return format_html_join(
        "", '<rect class="jm-seg-{}" x="{}" y="{}" width="{}" height="{}"/>', pieces
    )


def _box(placed: Placed, box: Box) -> SafeString:
    head = box.head
    room = int((placed.width - 44) / LETTER)
    title = format_html(
        '<g class="jm-graph-title"><title>{}</title>'
        '<rect class="jm-graph-hit" width="{}" height="{}"/>'
        '{}<text class="jm-graph-name" x="34" y="20">{}'
        '<tspan class="jm-graph-note" dx="8">{}</tspan></text></g>',
        *(said(head), _n(placed.width), _n(TITLE - 4), _icon(head, 10, 7)),
        *_titled(head, room),
    )
    return format_html(
        '<g transform="translate({} {})">'
        '<rect class="jm-graph-box{}" width="{}" height="{}" rx="6"/>{}</g>',
        *(_n(placed.x), _n(placed.y), _bold(head)),
        *(_n(placed.width), _n(placed.height)),
        _linked(head, title),
    )


def _titled(head: Node, room: int) -> tuple[str, str]:
    """Return a name and a note that fit beside one another; of the two the name has to."""
    name = fitted(head.name, room)
    left = room - len(name) - 1
    return name, head.note if len(head.note) <= left else ""


def _icon(node: Node, x: int, y: int) -> SafeString:
    return format_html(
        '<g class="jm-icon jm-{}" transform="translate({} {})">{}</g>',
        *(node.badge.tone, x, y, _inside(node.badge.icon)),
    )


@cache
def _inside(icon: str) -> SafeString:
    """Return what an icon is drawn with, without its own ``<svg>``."""
    html = render_to_string(f"admin/jobman/icons/{icon}.html")
    return SafeString(re.sub(r"</?svg[^>]*>", "", html).strip())
