"""Wording: times, counts and progress as people read them, the same in every door."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from django.utils import numberformat, timezone
from django.utils.formats import get_format
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from decimal import Decimal

    from celery_jobman.models import Job


class _Patterns(NamedTuple):
    """How one language writes times; a list asks hundreds of times for each."""

    #: Seconds in a unit of time, longest first, and how so many of it are written.
    units: tuple[tuple[int, str], ...]
    milliseconds: str
    past: str
    future: str
    moment: str
    decimal_separator: str


@cache
def _patterns_of(language: str | None) -> _Patterns:
    return _Patterns(
        units=(
            (86_400, pgettext("duration", "%(count)sd")),
            (3_600, pgettext("duration", "%(count)sh")),
            (60, pgettext("duration", "%(count)sm")),
            (1, pgettext("duration", "%(count)ss")),
        ),
        milliseconds=pgettext("duration", "%(count)sms"),
        past=_("%(time)s ago"),
        future=_("in %(time)s"),
        # Django's own formats leave out the seconds, and the English ones write 12 hours.
        moment=pgettext("moment", "%(year)s-%(month)s-%(day)s %(time)s"),
        decimal_separator=str(get_format("DECIMAL_SEPARATOR", language or "en")),
    )


def _patterns() -> _Patterns:
    return _patterns_of(get_language())


def number(value: float | Decimal, decimals: int | None = None) -> str:
    """Return a number as the reader's language writes it: ``1,204``, ``1.204``."""
    if 0 <= value < 1000 and decimals is None and isinstance(value, int):  # noqa: PLR2004
        return str(value)  # most are, and a list has hundreds
    language = get_language() or "en"  # commands speak none, and are English
    return numberformat.format(
        value,
        get_format("DECIMAL_SEPARATOR", language),
        decimals,
        get_format("NUMBER_GROUPING", language),
        get_format("THOUSAND_SEPARATOR", language),
        force_grouping=True,
    )


def short(duration: timedelta) -> str:
    """Return a duration in its largest unit: ``45s``, ``3m``, ``2h``, ``5d``."""
    seconds = abs(duration.total_seconds())
    units = _patterns().units
    for size, text in units:
        if seconds >= size:
            return text % {"count": int(seconds // size)}
    return units[-1][1] % {"count": 0}


def ago(moment: datetime, now: datetime) -> str:
    """Return how far a moment is from ``now``: ``3m ago``, ``in 2h``, ``just now``."""
    distance = now - moment
    if abs(distance.total_seconds()) < 1:
        return _("just now")
    patterns = _patterns()
    text = patterns.past if distance.total_seconds() >= 0 else patterns.future
    return text % {"time": short(distance)}


def lasting(duration: timedelta) -> str:
    """Return a duration in its two largest units: ``3ms``, ``1.2s``, ``3m 5s``, ``2h 10m``."""
    seconds = max(duration.total_seconds(), 0.0)
    patterns = _patterns()
    if 0 < seconds < 1:
        return patterns.milliseconds % {"count": round(seconds * 1000)}
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        tenths = f"{round(seconds, 1):g}".replace(".", patterns.decimal_separator)
        return patterns.units[-1][1] % {"count": tenths}
    counts: list[tuple[int, str]] = []
    for size, text in patterns.units:
        count, seconds = divmod(int(seconds), size)
        counts += [(count, text)] if count or counts else []
    return " ".join(text % {"count": count} for count, text in counts[:2] if count)


def at(moment: datetime) -> str:
    """Return a moment in the project's time zone: ``2026-01-31 12:00:00 CET``.

    Day and month are in the order of the reader's language.
    """
    local = _local(moment)
    text = _patterns().moment % {
        "year": f"{local.year:04}",
        "month": f"{local.month:02}",
        "day": f"{local.day:02}",
        "time": f"{local.hour:02}:{local.minute:02}:{local.second:02}",
    }
    return f"{text} {local.tzname() or ''}".rstrip()


def _local(moment: datetime) -> datetime:
    if timezone.is_naive(moment):
        return moment
    try:
        return timezone.localtime(moment)
    except OverflowError:  # it is the end of the calendar, and later here
        return moment


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in English: ``1 job``, ``1,204 jobs``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def jobs(count: int) -> str:
    """Return a number of jobs, in the reader's language: ``1 job``, ``1,204 jobs``."""
    return ngettext("%(count)s job", "%(count)s jobs", count) % {"count": number(count)}


def at_least(count: int) -> str:
    """Return a number that was not counted further: ``100+``, ``10k+``."""
    if count >= 1000 and not count % 1000:  # noqa: PLR2004 - thousands
        return _("%(thousands)sk+") % {"thousands": number(count // 1000)}
    return _("%(count)s+") % {"count": number(count)}


def listed(names: Iterable[str]) -> str:
    """Return names as an enumeration: ``fetch, load``; ``nothing`` when there is none."""
    return ", ".join(names) or _("nothing")


def done_of(done: int, total: int | None, unit: str = "") -> str:
    """Return progress: ``42 of 100 rows (42%)``, or ``42 rows`` when nobody knows the total."""
    tail = f" {unit}" if unit else ""
    if not total:
        return f"{number(done)}{tail}"
    percent = number(done * 100 // total)
    values = {"done": number(done), "total": f"{number(total)}{tail}", "percent": percent}
    return _("%(done)s of %(total)s (%(percent)s%%)") % values


def progress(job: Job) -> str:
    """Return a job's last progress report; empty when it, or its running attempt, gave none."""
    if job.progress_current is None or is_of_an_earlier_attempt(job):
        return ""
    done = done_of(job.progress_current, job.progress_total, job.progress_unit)
    return f"{done}: {job.progress_message}" if job.progress_message else done


def is_of_an_earlier_attempt(job: Job) -> bool:
    """Return whether a running job's last report was made before its attempt began."""
    reported, began = job.progress_at, job.started_at
    return bool(job.state == State.RUNNING and reported and began and reported < began)


def one_line(text: str) -> str:
    """Return text with its line breaks and runs of blanks as single blanks."""
    return " ".join(text.split())


def fitted(text: str, width: int | None) -> str:
    """Return at most ``width`` characters of a line; None leaves it whole."""
    if width is None or len(text) <= width:
        return text
    return text[: max(width - 1, 0)] + "…"


def error(error_class: str, message: str) -> str:
    """Return an error as Python's tracebacks end: ``ValueError: bad row``."""
    name = error_class.rpartition(".")[2]
    return f"{name}: {message}" if name and message else name or message
