"""Progress: how far the job is, how fast, and how long it may still take.

The rate is the mean since the attempt began.  That is smooth, and right for a job that began at
nothing; a resumed attempt that goes on at a count of earlier work is shown faster than it is,
until it has done as much itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from celery_jobman.admin.page.wire import visible
from celery_jobman.insight.wording import ago, is_of_an_earlier_attempt, number, short
from celery_jobman.models import Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime

    from celery_jobman.admin.page.regions import Subject

#: A job that reports nothing for so long is said to be silent.
SILENCE = timedelta(seconds=30)
#: An estimate needs a part of the work, in percent, or a time.
ENOUGH_PERCENT = 5
ENOUGH_TIME = timedelta(seconds=10)
#: Said until then.
ESTIMATING = gettext_lazy("estimating…")
#: Up to which number of seconds the rest is told in a unit, and the unit's length.
MINUTE, HOUR, DAY = 60, 3_600, 86_400
#: Jobs of the same task that are looked at, and successes among them that are counted.
LOOKED, COUNTED = 100, 20
#: From here on, a rate is told without a fraction.
WHOLE = 10


@dataclass(frozen=True)
class Course:
    """What can be said of the last report."""

    job: Job
    now: datetime
    current: int
    #: Its worker gives no sign of life.
    is_orphaned: bool = False

    @cached_property
    def runs(self) -> bool:
        """Whether more reports can come."""
        return self.job.state == State.RUNNING and not self.is_orphaned

    @cached_property
    def total(self) -> int:
        """How much there is; 0 when nobody knows."""
        return max(self.job.progress_total or 0, 0)

    @cached_property
    def percent(self) -> int:
        """How much is done, from 0 to 100."""
        return min(max(self.current * 100 // self.total, 0), 100) if self.total else 0

    @cached_property
    def elapsed(self) -> timedelta:
        """How long the attempt took until the report."""
        begin, report = self.job.started_at, self.job.progress_at
        return max(report - begin, timedelta()) if begin and report else timedelta()

    @cached_property
    def rate(self) -> float:
        """Units in a second; 0 when that cannot be said."""
        seconds = self.elapsed.total_seconds()
        return self.current / seconds if self.runs and seconds >= 1 and self.current > 0 else 0.0

    @cached_property
    def silence(self) -> timedelta:
        """How long ago a running job reported, when that is worth a word."""
        since = self.job.progress_at
        quiet = self.now - since if self.runs and since else timedelta()
        return quiet if quiet >= SILENCE else timedelta()

    def done(self) -> str:
        """Return how much is done, in words."""
        unit = visible(self.job.progress_unit)
        tail = f" {unit}" if unit else ""
        values = {"done": number(self.current), "total": number(self.total), "unit": tail}
        if not self.total:
            return _("%(done)s%(unit)s so far") % values
        if self.current > self.total:
            return _("%(done)s%(unit)s (expected %(total)s)") % values
        values["percent"] = str(self.percent)
        return _("%(done)s of %(total)s%(unit)s (%(percent)s%%)") % values

    def speed(self) -> str:
        """Return the rate, in words."""
        if not self.rate:
            return ""
        rate = number(Decimal(f"{self.rate:.0f}" if self.rate >= WHOLE else f"{self.rate:.2g}"))
        unit = visible(self.job.progress_unit)
        values = {"rate": rate, "unit": f" {unit}" if unit else ""}
        return _("%(rate)s%(unit)s/s") % values

    def rest(self) -> str:
        """Return how long it may still take, in words."""
        if not self.runs or not self.total or self.current >= self.total or self.silence:
            return ""
        enough = self.percent >= ENOUGH_PERCENT or self.elapsed >= ENOUGH_TIME
        if not enough or not self.rate:
            return str(ESTIMATING)
        return left((self.total - self.current) / self.rate)


def left(seconds: float) -> str:
    """Return a rest of time, rounded: ``about 4 min left``."""
    if seconds < WHOLE:
        return _("a few seconds left")
    return _("about %(time)s left") % {"time": rounded(seconds)}


def rounded(seconds: float) -> str:
    """Return a time as people say it: ``40 s``, ``4 min``, ``3 h``, ``5 days``."""
    if seconds < MINUTE:
        return _("%(count)s s") % {"count": max(round(seconds / 10), 1) * 10}
    if seconds < HOUR:
        return _("%(count)s min") % {"count": round(seconds / MINUTE)}
    if seconds < 2 * DAY:
        return _("%(count)s h") % {"count": round(seconds / HOUR)}
    days = min(round(seconds / DAY), 9_999)
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": number(days)}


def usual(job: Job) -> str:
    """Return how long the last attempts of the task's latest successes took; empty if unknown."""
    rows = Job.objects.filter(task=job.task).order_by("-pk")
    times = rows.values_list("state", "started_at", "finished_at")[:LOOKED]
    took = [
        (finished - started).total_seconds()
        for state, started, finished in times
        if state == State.SUCCEEDED and started and finished
    ]
    if not took:
        return ""
    seconds = median(took[:COUNTED])
    if seconds < WHOLE:
        return _("usually a few seconds")
    return _("usually %(time)s") % {"time": rounded(seconds)}


def notes(course: Course) -> list[str]:
    """Return the rate and the rest; while there is no telling, how long it takes usually."""
    rest = course.rest()
    unknown = course.runs and not course.silence and (not course.total or rest == str(ESTIMATING))
    said = (course.speed(), rest, usual(course.job) if unknown else "")
    return [note for note in said if note]


def progress(subject: Subject) -> dict[str, Any]:
    """Return the bar and what is written beside it; nothing when there is nothing to tell.

    Of a job that ended only how far it came is told, unless it came to its end.
    """
    job = subject.job
    if job.progress_current is None or is_of_an_earlier_attempt(job):
        return {}
    course = Course(job, subject.now, job.progress_current, subject.is_orphaned)
    if job.is_final:
        return _stopped(course)
    silent = course.silence
    updated = ago(min(job.progress_at, subject.now), subject.now) if job.progress_at else ""
    return {
        "done": course.done(),
        "value": min(max(course.current, 0), course.total) if course.total else None,
        "total": course.total,
        "bar": bool(course.total) or course.runs,
        "notes": notes(course),
        "silent": _("no progress for %(time)s") % {"time": short(silent)} if silent else "",
        "updated": "" if silent or not course.runs else updated,
        "said": visible(job.progress_message),
    }


def _stopped(course: Course) -> dict[str, Any]:
    job = course.job
    ended_well = job.state == State.SUCCEEDED or (course.total and course.current >= course.total)
    if ended_well or not course.current:
        return {}
    done = _("stopped at %(progress)s") % {"progress": course.done()}
    return {"done": done, "said": visible(job.progress_message)}
