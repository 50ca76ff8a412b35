"""Links: the jobs and batches of a workflow that wait for the one before them.

What follows a link is released, or skipped, in the transaction that ends it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery_jobman.core import hints, jobs, transitions
from celery_jobman.core.passing import NULL, prefixed, value_of
from celery_jobman.core.redaction import preview
from celery_jobman.core.terms import EARLIEST, LATEST
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

_COLUMNS = (
    "state", "task", "args", "kwargs", "own_args", "takes_result", "delay", "available_at",
    "expires_after", "next_id",
)  # fmt: skip


def release(link_id: UUID, *, now: datetime) -> None:
    """Let a link begin whose wait is over, inside the transaction that ends what it follows.

    A job is scheduled, with the result it takes among its arguments; the members of a batch
    are released after the commit (see :mod:`celery_jobman.core.errands`).  A link that waits
    no more, because it was cancelled, is left alone.
    """
    job = Job.objects.filter(pk=link_id).only(*_COLUMNS, "follows_id").first()
    if job is not None:
        value = value_of(job.follows_id) if job.takes_result else None
        if release_job(job, value, now=now):
            hints.due([job.id])
    elif transitions.open_batches([link_id], now=now):
        hints.errand(link_id)


def release_job(job: Job, value: str | None, *, now: datetime) -> bool:
    """Schedule a blocked job.

    Args:
        job: The job with its arguments.
        value: JSON text that becomes its first argument, if it takes one.
        now: Aware datetime of the release.

    Returns:
        False when it waits no more.
    """
    return transitions.try_move(
        job.id,
        State.SCHEDULED,
        now=now,
        sources=frozenset({State.BLOCKED}),
        **beginning(job, now),
        **arguments(job, value),
    )


def beginning(job: Job, now: datetime) -> dict[str, Any]:
    """Return the columns that say when a job whose wait is over may begin, and how long."""
    earliest = _later(now, job.delay) if job.delay else now
    begins = max(earliest, job.available_at) if job.available_at else earliest
    if job.expires_after is None:
        return {"available_at": begins}
    return {"available_at": begins, "expires_at": _later(now, job.expires_after)}


def _later(now: datetime, delay: timedelta) -> datetime:
    """Return a moment that a row can hold: the end of a link must not fail by what follows it."""
    try:
        return min(max(now + delay, EARLIEST), LATEST)
    except OverflowError:
        return LATEST if delay > timedelta() else EARLIEST


def arguments(job: Job, value: str | None) -> dict[str, Any]:
    """Return the columns with which a link is given a result, as JSON text, if it takes one."""
    if not job.takes_result:
        return {}
    own = job.args if job.own_args is None else job.own_args
    job.args = prefixed(own, NULL if value is None else value)
    return {"args": job.args, "own_args": own, "preview": preview(*job.arguments)}


def skip(link_id: UUID | None, by: UUID, *, now: datetime) -> int:
    """End what follows a link that did not succeed, to the end of its element.

    A batch is only marked; its members are ended after the commit, and then it counts.

    Args:
        link_id: The first of them; None when nothing follows.
        by: The link whose end is the reason.
        now: Aware datetime of that end.

    Returns:
        How many jobs were skipped here and now.
    """
    skipped = 0
    while link_id is not None:
        job = Job.objects.filter(pk=link_id).only("task", "attempt", "next_id").first()
        if job is not None:
            skipped += _skip_job(job, by, now)
            link_id = job.next_id
        else:
            link_id = _skip_batch(link_id, by)
    return skipped


def _skip_job(job: Job, by: UUID, now: datetime) -> bool:
    blocked = frozenset({State.BLOCKED})
    moved = transitions.try_move(job.id, State.SKIPPED, now=now, sources=blocked, stopped_by=by)
    if moved:
        jobs.announce_end(job, State.SKIPPED)
        hints.ended([job.id])
    return moved


def _skip_batch(batch_id: UUID, by: UUID) -> UUID | None:
    transitions.hold_batches([batch_id])
    waiting = Batch.objects.filter(pk=batch_id, state=State.BLOCKED, stopping=Stopping.NOT)
    if waiting.update(stopping=Stopping.SKIPPED, stopped_by=by):
        hints.errand(batch_id)
    return Batch.objects.filter(pk=batch_id).values_list("next_id", flat=True).first()
