"""Header: where the batch stands, in a line, a bar and its legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.batch import bar
from celery_jobman.admin.batch.naming import badge, kind_of
from celery_jobman.admin.page.progress import ENOUGH_PERCENT, ENOUGH_TIME, ESTIMATING, left
from celery_jobman.admin.page.wire import visible
from celery_jobman.insight.troubles import troubles
from celery_jobman.insight.wording import done_of, number
from celery_jobman.models import Batch, Job
from celery_jobman.models.batch import Stopping
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.batch.regions import Subject


class Key(NamedTuple):
    """One line of the legend."""

    swatch: SafeString
    badge: Badge
    number: str


#: Members that run are counted up to here: there are as many as there are processes.
MOST = 10_000

#: What becomes of the members that wait, while a batch is being ended.
ENDING = {
    Stopping.CANCELLED: lambda: _("It was cancelled: what waits is ended, what runs is stopped."),
    Stopping.FAILED: lambda: _("Too many members failed: what waits is ended."),
    Stopping.SKIPPED: lambda: _("What it waited for did not succeed: what waits is ended."),
}


def header(subject: Subject) -> dict[str, Any]:
    """Return the state, how much is done, and the bar."""
    batch = subject.batch
    counts = bar.counts_of(batch).of_which_run(running(batch))
    may_read = may(subject.request.user, Deed.VIEW_LOG)
    return {
        "badge": badge(batch),
        "word": str(State(batch.state).label),
        "kind": kind_of(batch),
        "done": done_of(counts.ended, counts.total) if counts.total else _("no members"),
        "rest": rest(subject),
        "reason": reason(batch),
        "troubles": visible(troubles(batch.pk, subject.now, with_errors=may_read)),
        "bar": bar.svg(counts, batch.pk) if counts.total else "",
        "legend": legend(batch, counts),
    }


def running(batch: Batch) -> int:
    """Return how many members run; of more than :data:`MOST` it is that many."""
    if not batch.pending:
        return 0
    members = (Job.objects.members_of(batch.pk), Batch.objects.filter(batch_id=batch.pk))
    return sum(rows.filter(state=State.RUNNING)[:MOST].count() for rows in members)


def legend(batch: Batch, counts: bar.Counts) -> list[Key]:
    """Return what the parts of the bar mean, with numbers."""
    return [
        Key(bar.swatch(part.name, batch.pk), part.badge, number(part.count))
        for part in bar.segments(counts)
    ]


def reason(batch: Batch) -> str:
    """Return why the batch stands where it stands, when that is worth a sentence."""
    if batch.state == State.BLOCKED:
        return _("It waits for the link before it.")
    if batch.state == State.RUNNING and batch.stopping in ENDING:
        return ENDING[Stopping(batch.stopping)]()
    if batch.state == State.RUNNING and batch.opening:
        return _("Its first members are being released.")
    return ""


def rest(subject: Subject) -> str:
    """Return how long it may still take, in words, by the pace since it was started."""
    batch = subject.batch
    if batch.state != State.RUNNING or not batch.started_at or not batch.pending or batch.stopping:
        return ""
    took = subject.now - batch.started_at
    enough = batch.progress >= ENOUGH_PERCENT or took >= ENOUGH_TIME
    if not enough or not batch.ended:
        return str(ESTIMATING)
    return left(took.total_seconds() / batch.ended * batch.pending)
