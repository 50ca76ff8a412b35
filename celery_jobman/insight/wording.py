"""Wording: times, counts and progress as people read them, the same in every door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from celery_jobman.models import Job

#: Seconds in a unit of time, longest first.
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def short(duration: timedelta) -> str:
    """Return a duration in its largest unit: ``45s``, ``3m``, ``2h``, ``5d``."""
    seconds = abs(duration.total_seconds())
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return "0s"


def ago(moment: datetime, now: datetime) -> str:
    """Return how far a moment is from ``now``: ``3m ago``, ``in 2h``, ``just now``."""
    distance = now - moment
    if abs(distance.total_seconds()) < 1:
        return _("just now")
    text = _("%(time)s ago") if distance.total_seconds() >= 0 else _("in %(time)s")
    return text % {"time": short(distance)}


def lasting(duration: timedelta) -> str:
    """Return a duration in its two largest units: ``3ms``, ``1.2s``, ``3m 5s``, ``2h 10m``."""
    seconds = max(duration.total_seconds(), 0)
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    parts: list[str] = []
    for unit, size in _UNITS:
        count, seconds = divmod(int(seconds), size)
        parts += [f"{count}{unit}"] if count or parts else []
    return " ".join(part for part in parts[:2] if part[0] != "0")


def at(moment: datetime) -> str:
    """Return a moment in the project's time zone: ``2026-01-31 12:00:00 CET``."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return local.strftime("%Y-%m-%d %H:%M:%S %Z").rstrip()


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 job``, ``1,204 jobs``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def jobs(number: int) -> str:
    """Return a number of jobs, in the reader's language: ``1 job``, ``1,204 jobs``."""
    return ngettext("%(count)s job", "%(count)s jobs", number) % {"count": f"{number:,}"}


def listed(names: Iterable[str]) -> str:
    """Return names as an enumeration: ``fetch, load``; ``nothing`` when there is none."""
    return ", ".join(names) or _("nothing")


def done_of(done: int, total: int | None, unit: str = "") -> str:
    """Return progress: ``42 of 100 rows (42%)``, or ``42 rows`` when nobody knows the total."""
    tail = f" {unit}" if unit else ""
    if not total:
        return f"{done:,}{tail}"
    values = {"done": f"{done:,}", "total": f"{total:,}{tail}", "percent": done * 100 // total}
    return _("%(done)s of %(total)s (%(percent)s%%)") % values


def progress(job: Job) -> str:
    """Return a job's last progress report; empty when it gave none."""
    if job.progress_current is None:
        return ""
    done = done_of(job.progress_current, job.progress_total, job.progress_unit)
    return f"{done}: {job.progress_message}" if job.progress_message else done


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
