"""Lines: the log of one job as screens read it, in bounded portions.

Every reading goes along the index on (job, id), and looks at no more than a fixed number of
lines: a search that finds nothing for a while says how far it came, and is asked to go on.
Searches for a text are read by :mod:`celery_jobman.admin.log.around`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.db.models.functions import Left
from django.utils import timezone
from django.utils.translation import gettext as _

from celery_jobman.models import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

#: Lines shown of a log that is opened, or that the reader has fallen behind.
TAIL = 200
#: Lines in one portion at most; a reader further behind than that jumps to the end.
PORTION = 2_000
#: Bytes of text in one portion at most.
PORTION_BYTES = 256 * 1024
#: Bytes of one line at most.
LINE_BYTES = 8 * 1024
#: Lines that one search looks at.
REACH = 20_000

#: Escape sequences of terminals: colours, moves, titles, links.
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|\x1b[\\]PX^_][^\x07\x1b\n]{0,1000}(?:\x07|\x1b\\\\)"
    "|\x1b[ -/]*[0-~]?"
)
#: What is neither text, a tab nor the end of a line.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Line(NamedTuple):
    """One line as it is shown; the order is that of the answer's JSON."""

    id: int
    clock: str
    level: str
    step: str
    message: str


class Portion(NamedTuple):
    """What one reading gave."""

    lines: list[Line]
    #: Where the next reading goes on.
    cursor: int
    #: Lines between the last cursor and the first of these that are left out.
    skipped: int = 0
    #: Nothing that can be read now follows.
    through: bool = True
    #: Of a search: lines that are no hits, but stand around one.
    around: Sequence[int] = ()
    #: Lines that begin a group of hits, each with the line before it in the log.
    breaks: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The lines of one job that a reader wants."""

    job_id: UUID
    attempt: int | None = None
    level: int = 0
    find: str = ""

    @property
    def everything(self) -> QuerySet[LogLine]:
        """All lines of the job."""
        return LogLine.objects.filter(job_id=self.job_id).order_by("id")

    @property
    def wanted(self) -> QuerySet[LogLine]:
        """The lines that the reader wants."""
        lines = self.everything
        if self.attempt is not None:
            lines = lines.filter(attempt=self.attempt)
        if self.level:
            lines = lines.filter(level__gte=self.level)
        return lines.filter(message__icontains=self.find) if self.find else lines

    @property
    def narrow(self) -> bool:
        """Whether few of the job's lines may be wanted."""
        return bool(self.level or self.attempt is not None)

    def tail(self, count: int = TAIL) -> Portion:
        """Return the last lines, of those that are near enough to the end."""
        newest = self.everything.order_by("-id").values_list("id", flat=True)
        last = newest.first() or 0
        wanted = self.wanted
        if self.narrow and (reach := newest[REACH : REACH + 1].first()):
            wanted = wanted.filter(id__gt=reach)
        lines = fitting(shown(wanted.filter(id__lte=last).order_by("-id"), count))
        return Portion(lines[::-1], last)

    def after(self, cursor: int, limit: int = PORTION) -> Portion:
        """Return the lines that follow a cursor; far behind the end, only the last ones."""
        rest = self.wanted.filter(id__gt=cursor)
        if not self.level and rest[PORTION : PORTION + 1].exists():
            tail = self.tail(min(TAIL, limit))
            if tail.lines:
                between = self.wanted.filter(id__gt=cursor, id__lt=tail.lines[0].id)
                return tail._replace(skipped=between.count())
        return self.between(cursor, None, limit)

    def between(self, cursor: int, end: int | None, limit: int = PORTION) -> Portion:
        """Return the lines that follow a cursor, up to ``end``, from the first one on."""
        rest = self.everything.filter(id__gt=cursor)
        if end is not None:
            rest = rest.filter(id__lt=end)
        ids = rest.values_list("id", flat=True)
        further = ids[REACH : REACH + 1].first()
        last = ids[REACH - 1] if further else ids.last()
        if last is None:
            return Portion([], cursor)
        raw = shown(self.wanted.filter(id__gt=cursor, id__lte=last), limit)
        lines = fitting(raw)
        if len(lines) == limit or len(lines) < len(raw):
            return Portion(lines, lines[-1].id, through=lines[-1].id == last and not further)
        return Portion(lines, last, through=not further)

    def knows(self, cursor: int) -> bool:
        """Whether a cursor may have come from this log; lines may have been deleted since."""
        last = self.everything.values_list("id", flat=True).last()
        return cursor == 0 or last is None or cursor <= last


def shown(lines: QuerySet[LogLine], limit: int) -> list[Line]:
    """Return the first lines as they are shown."""
    # One character more than is shown tells that a line is longer.
    text = Left("message", LINE_BYTES + 1)
    rows = lines.annotate(text=text).values_list("id", "at", "level", "step", "text")[:limit]
    return [
        Line(
            key,
            clock(at),
            level_name(level),
            plain(step),
            cut(plain(message), longer=len(message) > LINE_BYTES),
        )
        for key, at, level, step, message in rows
    ]


def fitting(lines: Iterable[Line]) -> list[Line]:
    """Return the first lines that fit into one portion."""
    fitting: list[Line] = []
    room = PORTION_BYTES
    for line in lines:
        room -= len(line.message.encode()) + len(line.step.encode())
        if room < 0 and fitting:
            break
        fitting.append(line)
    return fitting


def plain(text: str) -> str:
    """Return text without terminal sequences and control characters."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode("utf-8")


def cut(text: str, *, longer: bool = False) -> str:
    """Return at most ``LINE_BYTES`` of a line, and say when there is more."""
    data = text.encode()
    if len(data) <= LINE_BYTES and not longer:
        return text
    return data[:LINE_BYTES].decode("utf-8", "ignore") + _("… cut, see raw")


def clock(moment: datetime) -> str:
    """Return the time of day in the project's time zone, to the millisecond."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return local.strftime("%H:%M:%S.") + f"{local.microsecond // 1000:03d}"


def level_name(level: int) -> str:
    """Return a level as :mod:`logging` names it."""
    return logging.getLevelName(level)
