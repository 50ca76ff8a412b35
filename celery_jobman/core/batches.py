"""Batches: writing one with its members, adding to it, finding it, cancelling it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q

from celery_jobman import signals
from celery_jobman.core import actions, bulk, hints, jobs, joins, moments, transitions
from celery_jobman.core.bulk import CHUNK
from celery_jobman.exceptions import (
    BatchClosed,
    BatchNotFound,
    TransitionRefused,
)
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.models.database import atomic, using
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from uuid import UUID

#: Jobs whose messages leave right after the commit; those of the rest, a second later, from a
#: worker.
AT_ONCE = 10_000

Row = Job | Batch


def enqueue(root: Batch, rows: Iterable[Row], *, now: datetime) -> Batch:
    """Write a workflow, in one transaction: the caller's, or one of its own.

    Args:
        root: The unsaved batch at the top, running.
        rows: The jobs and batches in it, unsaved, at any depth, batches with their counts;
            taken one after the other, so that there may be any number of them.
        now: Aware datetime of the request.

    Returns:
        The root.  If it has no members, it has finished.

    Raises:
        DatabaseUnwritable: The database refused a row.  Nothing was written.
    """
    with jobs.writing(root.name or str(root.kind)), atomic():
        root.created_at = root.started_at = now
        root.save(force_insert=True, using=using())
        _grow(root, write(rows, root.id, now))
        if not root.total:
            joins.close(root.id, now=now)
    return root


def add(batch_id: UUID, rows: Iterable[Row], *, now: datetime) -> int:
    """Write further members of a batch that has not finished.

    Args:
        batch_id: The batch.
        rows: As for :func:`enqueue`.
        now: Aware datetime of the request.

    Returns:
        How many members it has more.

    Raises:
        BatchNotFound: There is no such batch.
        BatchClosed: It has finished, or is being stopped.  Nothing was written.
        DatabaseUnwritable: The database refused a row.  Nothing was written.
    """
    with jobs.writing("the batch"), atomic():
        batch = find(batch_id)
        if _is_closed(batch):
            raise BatchClosed(batch_id, batch.stopping or batch.state)
        if batch.state == State.BLOCKED:  # it must not be opened before they are there
            Batch.objects.filter(pk=batch_id).update(total=F("total"))
            batch = find(batch_id)
        number = write(rows, batch.id, now)
        _grow(batch, number)
        moments.reached("members added")
    return number


def _is_closed(batch: Batch) -> bool:
    return batch.finished_at is not None or batch.stopping != Stopping.NOT


def write(rows: Iterable[Row], batch_id: UUID, now: datetime) -> int:
    """Write rows in chunks; return how many members the batch has got, which it does not count."""
    members = written = 0
    for chunk in _chunks(rows):
        for row in chunk:
            row.created_at = now
            members += row.batch_id == batch_id
        leaves = [row for row in chunk if isinstance(row, Job)]
        nested = [row for row in chunk if isinstance(row, Batch)]
        bulk.insert_all(Batch, nested)
        bulk.insert_all(Job, leaves)
        _announce(leaves, nested, at_once=written < AT_ONCE)
        written += len(leaves)
    return members


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        yield chunk


def _announce(leaves: list[Job], nested: list[Batch], *, at_once: bool) -> None:
    if signals.job_enqueued.receivers:
        for job in leaves:
            signals.announce(signals.job_enqueued, using(), job.id, task=job.task)
    if at_once:
        hints.due([job.id for job in leaves if job.state == State.SCHEDULED])
    for batch in nested:
        if batch.opening:
            hints.errand(batch.id)


def _grow(root: Batch, number: int) -> None:
    """Count the new members; last, for others may wait for this row."""
    transitions.hold_batches([root.id])
    open_one = Batch.objects.filter(pk=root.id, finished_at__isnull=True, stopping=Stopping.NOT)
    if not open_one.update(total=F("total") + number, pending=F("pending") + number):
        raise BatchClosed(root.id, "finished")
    root.refresh_from_db(fields=["total", "pending"])


def find(reference: str | UUID) -> Batch:
    """Return the batch with this id.

    Raises:
        BatchNotFound: There is none.
    """
    batch_id = jobs.as_uuid(reference)
    batch = Batch.objects.filter(pk=batch_id).first() if batch_id else None
    if batch is None:
        raise BatchNotFound(reference)
    return batch


def cancel(batch_id: UUID, *, now: datetime, actor: Any = None, reason: str = "") -> None:
    """Cancel what waits in a batch, and ask what runs to stop.

    Here it is only marked; :mod:`celery_jobman.core.errands` ends its members in slices.
    Asking twice does no harm.

    Args:
        batch_id: The batch.
        now: Aware datetime of the request.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.

    Raises:
        BatchNotFound: There is no such batch.
        TransitionRefused: It has finished.  Nothing was written.
    """
    unfinished = Batch.objects.filter(pk=batch_id, finished_at__isnull=True)
    with atomic():
        transitions.hold_batches([batch_id])
        marked = unfinished.filter(~Q(stopping=Stopping.CANCELLED)).update(
            stopping=Stopping.CANCELLED, cancel_requested_at=now, opening=False
        )
        if marked:
            actions.record("cancel batch", batch_id, actor=actor, reason=reason, now=now)
            hints.errand(batch_id)
        elif not unfinished.exists():
            state = find(batch_id).state
            raise TransitionRefused(batch_id, "cancelled", state, "it has ended", noun="batch")
