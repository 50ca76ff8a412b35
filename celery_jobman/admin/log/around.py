"""Around: what a search of a log finds, with the lines before and after each hit.

As with ``grep -C``: hits that stand near each other form one group, and a break parts two groups.
The lines around a hit are those of the log, or of the chosen attempt, whatever their level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.admin.log import lines as reading
from celery_jobman.admin.log.lines import PORTION, TAIL, Log, Portion, fitting, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from celery_jobman.admin.log.lines import Line
    from celery_jobman.models import LogLine

#: Lines shown before a hit, and after it.
NEAR = 2
#: Hits in one portion at most, and the fewest that a limit can ask for.
HITS, FEWEST = 150, 5
#: Lines looked at for those just before a cursor.
BACK = 200


def tail(log: Log, count: int = TAIL) -> Portion:
    """Return the last hits, of those that are near enough to the end."""
    newest = _ids(log.everything.order_by("-id")[: reading.REACH])[::-1]
    if not newest:
        return Portion([], 0)
    first, last = newest[0], newest[-1]
    hits = log.wanted.filter(id__gte=first, id__lte=last).order_by("-id")
    found = list(hits.values_list("id", flat=True)[: _most(count)])
    own = _own(log, newest)
    lines, _all = _around(log, own, found, newest=True)
    return _grouped(lines, own, found, last)


def between(log: Log, cursor: int, end: int | None = None, limit: int = PORTION) -> Portion:
    """Return the hits that follow a cursor, up to ``end``, from the first one on.

    Lines up to the cursor that stand around one of them are given again: the reader knows
    which of them it has shown.
    """
    ahead = log.everything.filter(id__gt=cursor)
    if end is not None:
        ahead = ahead.filter(id__lt=end)
    coming = _ids(ahead[: reading.REACH + 1])
    if not coming:
        return Portion([], cursor)
    through, coming = len(coming) <= reading.REACH, coming[: reading.REACH]
    last = coming[-1]
    back = _ids(log.everything.filter(id__lte=cursor).order_by("-id")[:BACK])[::-1]
    old = _own(log, back)[-2 * NEAR :]
    # A hit just before the cursor lacks the lines after it, which come only now.
    first, most = next(iter(old[-NEAR:]), coming[0]), _most(limit)
    hits = log.wanted.filter(id__gte=first, id__lte=last).values_list("id", flat=True)
    found = list(hits[:most])
    if len(found) == most:
        last, through = found[-1], False
    ids = [*old, *(key for key in _own(log, coming) if key <= last)]
    lines, whole = _around(log, ids, found)
    if not whole:
        last, through = lines[-1].id, False
    return _grouped(lines, ids, found, last)._replace(through=through)


def _most(limit: int) -> int:
    return min(max(limit, FEWEST), HITS)


def _ids(lines: QuerySet[LogLine]) -> list[int]:
    # Nothing but the id: the index on (job, id) has it, and is read alone.
    return list(lines.values_list("id", flat=True))


def _own(log: Log, ids: list[int]) -> list[int]:
    """Return those of the ids, which ascend, that are of the chosen attempt."""
    if log.attempt is None or not ids:
        return ids
    own = log.everything.filter(attempt=log.attempt, id__gte=ids[0], id__lte=ids[-1])
    return _ids(own)


def _around(
    log: Log, ids: list[int], hits: Iterable[int], *, newest: bool = False
) -> tuple[list[Line], bool]:
    """Return hits with the lines around them, as many as fit, and whether that is all."""
    places = {key: place for place, key in enumerate(ids)}
    near = {
        place
        for key in hits
        for place in range(places[key] - NEAR, places[key] + NEAR + 1)
        if 0 <= place < len(ids)
    }
    rows = shown(log.everything.filter(id__in=[ids[place] for place in near]), len(near))
    lines = fitting(reversed(rows))[::-1] if newest else fitting(rows)
    return lines, len(lines) == len(rows)


def _grouped(lines: list[Line], ids: list[int], hits: Iterable[int], cursor: int) -> Portion:
    """Return lines with what parts them into groups."""
    found, before = set(hits), dict(zip(ids, [0, *ids], strict=False))
    last = [0, *(line.id for line in lines)]
    breaks = [
        (line.id, before[line.id])
        for line, shown_before in zip(lines, last, strict=False)
        if before[line.id] != shown_before
    ]
    around = [line.id for line in lines if line.id not in found]
    return Portion(lines, cursor, around=around, breaks=breaks)
