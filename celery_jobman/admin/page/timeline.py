"""Timeline: attempts and steps as bars over time, drawn as SVG here, and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celery_jobman.admin.page.spans import Span, fewer, spans
from celery_jobman.insight.wording import at, fitted, lasting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.utils.safestring import SafeString

    from celery_jobman.admin.page.regions import Subject

#: Sizes in the drawing's own units: all of it, the most for the names and for the words after the
#: bars, what a character takes of these, and the height of a row.
WIDTH, NAMES, WORDS, LETTER, ROW = 1000, 240, 260, 7, 24
#: Space for the axis above the rows.
AXIS = 22
#: The least width of a bar, so that it can be seen.
SLIVER = 2.0
#: Times between two marks of the axis, in seconds; of them the least is taken that makes no more
#: than so many parts.
GAPS = (
    *(mantissa * 10.0**exponent for exponent in range(-3, 1) for mantissa in (1, 2, 5)),
    *(10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200),
    *(86_400 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)
PARTS = 5
#: Most characters of a name, and of the words after the bars, that fit.
NAME_LENGTH, WORD_LENGTH = 33, 38


@dataclass(frozen=True)
class Scale:
    """Where moments lie on the axis."""

    first: datetime
    last: datetime
    #: Where the bars begin and end.
    left: float = NAMES
    right: float = WIDTH - WORDS

    @classmethod
    def of(cls, rows: Sequence[Span], now: datetime) -> Scale:
        """Return the scale on which all rows fit."""
        moments = [m for row in rows for m in (row.waits, row.begins, row.ends) if m]
        moments += [now] if any(row.begins and not row.ends for row in rows) else []
        first = min(moments, default=now)
        last = max([*moments, first + timedelta(milliseconds=1)])
        names = _room((_indent(row) // LETTER + len(row.name) for row in rows), NAMES)
        words = _room((len(_word(row)) for row in rows), WORDS)
        return cls(first, last, names, WIDTH - words)

    @property
    def length(self) -> timedelta:
        """The time from end to end."""
        return self.last - self.first

    def x(self, moment: datetime) -> float:
        """Return where a moment lies."""
        part = (moment - self.first) / self.length
        return self.left + (self.right - self.left) * min(max(part, 0.0), 1.0)

    def ticks(self) -> list[timedelta]:
        """Return the marks of the axis: round times since its beginning."""
        seconds = self.length.total_seconds()
        gap = next((gap for gap in GAPS if seconds <= gap * PARTS), seconds / PARTS)
        return [timedelta(seconds=gap * part) for part in range(int(seconds / gap) + 1)]


def _room(lengths: Iterable[int], most: int) -> int:
    """Return the width for the longest of some texts, with a gap."""
    return min(max(lengths, default=0) * LETTER + 2 * LETTER, most)


def _indent(row: Span) -> int:
    return 0 if row.is_attempt else 2 * LETTER


def _word(row: Span) -> str:
    return f"{row.word} · {row.note}" if row.note else row.word


class Line(NamedTuple):
    """A row of the table, all in words."""

    name: str
    is_attempt: bool
    waited: str
    began: str
    ran: str
    word: str
    tone: str
    note: str


def timeline(subject: Subject) -> dict[str, Any]:
    """Return the drawing and the table; nothing before the first attempt."""
    rows = spans(subject)
    if not any(row.begins for row in rows):
        return {}
    rows, hidden = fewer(rows)
    return {
        "drawing": svg(rows, subject.now),
        "lines": [line(row, subject.now) for row in rows],
        "hidden": hidden,
    }


def line(row: Span, now: datetime) -> Line:
    """Return a row in words."""
    waited = lasting(row.begins - row.waits) if row.waits and row.begins else ""
    began = at(row.begins) if row.begins else ""
    ran = lasting((row.ends or now) - row.begins) if row.begins else ""
    return Line(row.name, row.is_attempt, waited, began, ran, row.word, row.tone, row.note)


def label(row: Span, now: datetime) -> str:
    """Return what a row of the drawing says to those who do not see it."""
    said = line(row, now)
    parts = [said.name, said.word]
    parts += [_("waited %(time)s") % {"time": said.waited}] if said.waited else []
    parts += [_("ran %(time)s") % {"time": said.ran}] if said.ran else []
    return ", ".join([*parts, *([said.note] if said.note else [])])


def svg(rows: Sequence[Span], now: datetime) -> SafeString:
    """Return the drawing."""
    scale = Scale.of(rows, now)
    height = AXIS + ROW * len(rows)
    drawn = format_html_join("\n", "{}", ((_row(*item, scale, now),) for item in enumerate(rows)))
    return format_html(
        '<svg class="jm-tl" viewBox="0 0 {} {}" role="list" aria-label="{}">{}\n{}</svg>',
        WIDTH,
        height,
        summary(rows, scale),
        _axis(scale, height),
        drawn,
    )


def summary(rows: Sequence[Span], scale: Scale) -> str:
    """Return the drawing in one sentence."""
    attempts = sum(row.is_attempt for row in rows)
    steps = sum(row.count for row in rows if not row.is_attempt)
    return _("Timeline: %(attempts)s and %(steps)s in %(time)s") % {
        "attempts": ngettext("%(count)s attempt", "%(count)s attempts", attempts)
        % {"count": attempts},
        "steps": ngettext("%(count)s step", "%(count)s steps", steps) % {"count": steps},
        "time": lasting(scale.length),
    }


def _axis(scale: Scale, height: int) -> SafeString:
    ticks = [(scale.x(scale.first + time), time) for time in scale.ticks()]
    marks = (
        (f"{x:.1f}", AXIS - 4, height, f"{x:.1f}", AXIS - 8, lasting(time) or "0s")
        for x, time in ticks
    )
    return format_html(
        '<g aria-hidden="true">{}</g>',
        format_html_join(
            "",
            '<path class="jm-tl-tick" d="M{} {}V{}"/>'
            '<text class="jm-tl-time" x="{}" y="{}" text-anchor="middle">{}</text>',
            marks,
        ),
    )


def _row(index: int, row: Span, scale: Scale, now: datetime) -> SafeString:
    top = AXIS + ROW * index
    indent = _indent(row)
    return format_html(
        '<g role="listitem" aria-label="{}" class="jm-tl-row{}"><g aria-hidden="true">'
        '<text x="{}" y="{}">{}<title>{}</title></text>{}'
        '<text class="jm-{}" x="{}" y="{}">{}</text></g></g>',
        label(row, now),
        " jm-tl-attempt" if row.is_attempt else "",
        indent,
        top + 16,
        fitted(row.name, NAME_LENGTH - indent // LETTER),
        row.name,
        _bars(row, scale, top, now),
        row.tone,
        f"{scale.right + 10:.1f}",
        top + 16,
        fitted(_word(row), WORD_LENGTH),
    )


def _bars(row: Span, scale: Scale, top: int, now: datetime) -> SafeString:
    bars = []
    if row.waits and row.begins:
        bars.append(("jm-tl-wait", row.waits, row.begins))
    if row.begins:
        reused = " jm-tl-reused" if row.note else ""
        bars.append((f"jm-tl-ran jm-{row.tone}{reused}", row.begins, row.ends or now))
    boxes = (_box(*bar, scale, top) for bar in bars)
    return format_html_join(
        "", '<rect class="{}" x="{}" y="{}" width="{}" height="12" rx="2"/>', boxes
    )


def _box(
    name: str, begins: datetime, ends: datetime, scale: Scale, top: int
) -> tuple[str, str, int, str]:
    x = scale.x(begins)
    return name, f"{x:.1f}", top + 6, f"{max(scale.x(ends) - x, SLIVER):.1f}"
