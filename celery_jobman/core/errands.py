"""Errands: what is done for a batch after the commit, member by member, in slices.

Two things concern all members of a batch at once: its first links are released when what it
waited for has ended, and the members that wait are ended when it is stopped.  There may be a
hundred thousand of them, so the transaction that decides it only marks the batch.  Who was
first does the rest in transactions of a slice each; should he die, the keepers of the workers
find the mark, within ``JOBMAN["DISPATCH_EVERY"]``, and go on.  Several may do it at once.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import F, Q

from celery_jobman.core import (
    fallbacks,
    hints,
    jobs,
    joins,
    links,
    moments,
    passing,
    transitions,
)
from celery_jobman.core.troubles import Aside
from celery_jobman.models import Batch, Duty, Job, Stopping, Trigger
from celery_jobman.models.database import atomic
from celery_jobman.states import WAITING, State

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.models.job import JobQuerySet

#: Members moved in one transaction.
SLICE = 500

#: What becomes of the members that wait in a batch that is being stopped.
ENDS = {
    Stopping.CANCELLED: State.CANCELLED,
    Stopping.FAILED: State.CANCELLED,
    Stopping.SKIPPED: State.SKIPPED,
}


def outstanding(
    limit: int = 20, *, after: UUID | None = None, spared: Collection[UUID] = ()
) -> list[UUID]:
    """Return the batches with something left to do, oldest first.

    Args:
        limit: At most so many.
        after: Only those behind this one in that order.
        spared: Not these.
    """
    marked = Q(opening=True) | ~Q(stopping=Stopping.NOT)
    rows = Batch.objects.unfinished().filter(marked).exclude(pk__in=list(spared)).order_by("id")
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.values_list("pk", flat=True)[:limit])


def go_on(batch_id: UUID, *, now: datetime, limit: int | None = None) -> bool:
    """Do one slice of what there is to do for a batch.

    Args:
        batch_id: The batch.
        now: Aware datetime; no two calls may use the same.
        limit: Members that are ended in this call, at most; by default a slice.

    Returns:
        Whether something was done, so that it is worth while to call again.  A member that
        cannot be released fails; one that cannot be ended is set aside.
    """
    batch = Batch.objects.unfinished().filter(pk=batch_id).first()
    return batch is not None and fallbacks.somehow(lambda: _go_on(batch, now, limit or SLICE))


def _go_on(batch: Batch, now: datetime, limit: int) -> bool:
    if batch.stopping != Stopping.NOT:
        return _stop(batch, now, limit)
    return batch.opening and _open(batch, now)


def _open(batch: Batch, now: datetime) -> bool:
    value = passing.value_for(batch)
    first = Job.objects.members_of(batch.id).filter(state=State.BLOCKED, follows_id__isnull=True)
    waiting = list(first.order_by("id")[:SLICE])
    inner = Batch.objects.filter(batch_id=batch.id, state=State.BLOCKED, follows_id__isnull=True)
    nested = list(inner.filter(stopping=Stopping.NOT).values_list("pk", flat=True)[:SLICE])
    if not waiting and not nested:
        return _opened(batch.id, now)
    with atomic():
        hints.due([job.id for job in waiting if _release(job, value, now)])
        transitions.open_batches(nested, now=now)
        for inner_id in nested:
            hints.errand(inner_id)
        moments.reached("members released")
    return True


def _release(job: Job, value: str | None, now: datetime) -> bool:
    def fail(error: Exception) -> bool:
        joins.fail_link(job.id, job.batch_id or job.id, error, now=now)
        return False

    return fallbacks.part(lambda: links.release_job(job, value, now=now), fail)


def _opened(batch_id: UUID, now: datetime) -> bool:
    with atomic():
        done = Batch.objects.filter(pk=batch_id, opening=True).update(opening=False)
        if done:
            joins.close(batch_id, now=now)  # if it is empty
    return bool(done)


def _stop(batch: Batch, now: datetime, limit: int) -> bool:
    """End the members that wait; then, so that none of them is skipped instead, those inside."""
    to = ENDS[Stopping(batch.stopping)]
    asked = _ask_running(batch, now)
    aside = Aside(Duty.CANCEL, now=now)
    waiting = _waiting(batch).exclude(pk__in=aside.waiting).order_by("id")
    ids = list(waiting.values_list("pk", flat=True)[:limit])
    if ids and fallbacks.is_careful():
        _end_each(batch, ids, to, now, aside)
    elif ids:
        with suppress(_CalledOff), atomic():
            _end(batch, ids, to, now)
    if ids:
        return True
    spread = _spread(batch)
    if not batch.pending:
        joins.close(batch.id, now=now)
    elif batch.stopping == Stopping.CANCELLED and not asked and not spread:
        write_off(batch, now=now)
    return bool(asked or spread)


def write_off(batch: Batch, *, now: datetime) -> None:
    """Count as cancelled those members of a cancelled batch that have no row any more.

    Nothing is done while others have not ended, or if one has since the batch was read.
    """
    jobs_left = Job.objects.members_of(batch.id).unfinished()
    if jobs_left.exists() or Batch.objects.unfinished().filter(batch_id=batch.id).exists():
        return
    with atomic():
        transitions.hold_batches([batch.id])
        same = Batch.objects.unfinished().filter(pk=batch.id, pending=batch.pending)
        if same.update(cancelled=F("cancelled") + F("pending"), pending=0):
            joins.close(batch.id, now=now)


class _CalledOff(Exception):
    """A retry has opened the batch again meanwhile."""


def _end(batch: Batch, ids: list[UUID], to: State, now: datetime) -> None:
    by = batch.stopped_by
    moved = transitions.move_all(ids, to, now=now, sources=WAITING, stopped_by=by)
    still = {"stopping": batch.stopping}
    if moved and not joins.count(batch.id, {str(to): len(moved)}, now=now, at=still):
        raise _CalledOff
    _announce(moved, to)
    moments.reached("members ended")


def _end_each(batch: Batch, ids: list[UUID], to: State, now: datetime, aside: Aside) -> None:
    """End members one by one, each in a transaction; no two may use the same moment."""
    for number, member_id in enumerate(ids):
        with aside.guarding(member_id), suppress(_CalledOff), atomic():
            _end(batch, [member_id], to, now + timedelta(microseconds=number))


def _waiting(batch: Batch) -> JobQuerySet:
    waiting = Job.objects.members_of(batch.id).filter(state__in=sorted(WAITING))
    if batch.stopping == Stopping.FAILED:  # what has begun may end, and try again
        return waiting.filter(Q(attempt=0) | Q(trigger=Trigger.OPERATOR))
    return waiting


def _ask_running(batch: Batch, now: datetime) -> int:
    if batch.stopping != Stopping.CANCELLED:
        return 0
    running = Job.objects.members_of(batch.id).filter(state=State.RUNNING)
    return running.filter(cancel_requested_at__isnull=True).update(cancel_requested_at=now)


def _spread(batch: Batch) -> bool:
    """Stop the batches that are members, too."""
    inner = Batch.objects.unfinished().filter(batch_id=batch.id).exclude(stopping=batch.stopping)
    ids = list(inner.exclude(stopping=Stopping.CANCELLED).values_list("pk", flat=True)[:SLICE])
    with atomic():
        transitions.hold_batches(ids)
        Batch.objects.unfinished().filter(pk__in=ids).update(
            stopping=batch.stopping,
            stopped_by=batch.stopped_by,
            cancel_requested_at=batch.cancel_requested_at,
            opening=False,
        )
    for inner_id in ids:
        hints.errand(inner_id)
    return bool(ids)


def _announce(ids: list[UUID], to: State) -> None:
    jobs.announce_ends(ids, to)
    if ids:
        hints.ended(ids)
