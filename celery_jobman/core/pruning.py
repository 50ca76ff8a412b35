"""Pruning: delete old finished jobs, in slices that never hold a lock for long."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from celery_jobman.core import actions, troubles
from celery_jobman.core.transitions import refusal
from celery_jobman.core.troubles import Aside
from celery_jobman.models import Attempt, Batch, Duty, Job, LogLine, Step
from celery_jobman.models.database import atomic, using
from celery_jobman.models.database_errors import Answer, answer
from celery_jobman.states import FINAL, WAITING, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.models.batch import BatchQuerySet
    from celery_jobman.models.job import JobQuerySet

logger = logging.getLogger("celery_jobman")

#: Jobs deleted in one transaction.
SLICE = 500


def prunable(cutoff: datetime, states: frozenset[State] = FINAL) -> JobQuerySet:
    """Return the jobs in ``states`` (final ones) that ended strictly before ``cutoff``.

    Members of a workflow are among them when the whole workflow ended so, too: until then it
    may need what they have done, and a retry may need them.
    """
    states &= FINAL
    ended = Job.objects.finished_before(cutoff).filter(state__in=sorted(states))
    return _sparing(ended, ~Q(finished_at__lt=cutoff) | ~Q(state__in=sorted(states)))


def settled(jobs: JobQuerySet) -> JobQuerySet:
    """Leave out the jobs of workflows that have not finished; nothing deletes those."""
    return _sparing(jobs, Q(finished_at__isnull=True))


def _sparing(jobs: JobQuerySet, alive: Q) -> JobQuerySet:
    """Leave out the jobs of workflows of whose root this is true."""
    roots = Batch.objects.filter(alive, pk=OuterRef("root_id"))
    around = Batch.objects.filter(Exists(roots), pk=OuterRef("batch_id"))
    return jobs.exclude(Q(batch_id__isnull=False) & Exists(around))


def prunable_batches(cutoff: datetime, states: frozenset[State] = FINAL) -> BatchQuerySet:
    """Return the batches of workflows that are over, and so are all their jobs.

    Args:
        cutoff: Workflow and jobs ended strictly before this moment.
        states: How both ended: one of these final states.
    """
    over = {"finished_at__lt": cutoff, "state__in": sorted(states & FINAL)}
    jobs = Job.objects.filter(batch_id=OuterRef("id")).exclude(**over)
    inside = Batch.objects.filter(Exists(jobs), root_id=OuterRef("pk"))
    roots = Batch.objects.roots().filter(**over).exclude(Exists(inside))
    return Batch.objects.filter(root_id__in=roots.values("pk"))


def prune_batches(cutoff: datetime) -> int:
    """Delete the rows of workflows that finished before ``cutoff`` and have no jobs left.

    Batches inside a workflow whose row was deleted go by themselves.

    Returns:
        How many rows were deleted, those of batches inside others counted too.
    """
    jobs = Job.objects.filter(batch_id=OuterRef("id"))
    inside = Batch.objects.filter(Exists(jobs), root_id=OuterRef("pk"))
    old = Batch.objects.finished_before(cutoff)
    orphans = old.exclude(Exists(Batch.objects.filter(pk=OuterRef("root_id"))))
    now, roots = timezone.now(), old.roots().exclude(Exists(inside))
    chosen = ((roots, "root_id"), (orphans.exclude(Exists(jobs)), "pk"))
    return sum(
        _somehow(ids, partial(_delete_batches, by), now)
        for rows, by in chosen
        for ids in _slices(rows)
    )


def _delete_batches(by: str, ids: list[UUID]) -> int:
    """Delete the batches that name one of these in column ``by``."""
    with atomic():
        rows = Batch.objects.filter(**{f"{by}__in": ids})
        troubles.forget(list(rows.values_list("pk", flat=True)))
        return rows._raw_delete(using()) or 0  # noqa: SLF001 - as below


def abandoned(cutoff: datetime, now: datetime) -> JobQuerySet:
    """Return jobs that were enqueued before ``cutoff`` and still wait at ``now``.

    Jobs that were put off to a time after ``now`` are not among them, and members of workflows
    neither, for these would wait for them for ever: cancel the workflow.
    """
    old = Job.objects.filter(state__in=sorted(WAITING), created_at__lt=cutoff)
    return settled(old.exclude(available_at__gt=now))


def prune(
    jobs: JobQuerySet,
    *,
    now: datetime,
    actor: Any = None,
    reason: str = "",
    verb: str = "prune",
) -> int:
    """Delete jobs with their attempts, steps and log lines; see also :func:`settled`.

    Slices are deleted in transactions of their own: killed half-way, the rest is left for
    the next call.  Audit rows stay.  A job that cannot be deleted is set aside, and
    the others go.

    Args:
        jobs: Which; jobs that have moved on since a slice was chosen are left alone.
        now: Aware datetime of the request.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.
        verb: What the audit calls it.

    Returns:
        How many jobs were deleted.
    """
    total = sum(_somehow(ids, lambda some: _delete(some, jobs), now) for ids in _slices(jobs))
    if total:
        changes = {"count": total}
        actions.record(verb, None, actor=actor, reason=reason, now=now, changes=changes)
    return total


def trim(
    jobs: JobQuerySet,
    *,
    now: datetime,
    logs_only: bool = False,
    actor: Any = None,
    reason: str = "",
) -> int:
    """Delete the log lines (and steps, unless ``logs_only``) of jobs; keep their rows.

    Returns:
        How many jobs were trimmed.
    """
    total = sum(
        _somehow(ids, lambda some: _trim(some, jobs, logs_only=logs_only), now)
        for ids in _slices(jobs)
    )
    if total:
        changes = {"count": total, "logs_only": logs_only}
        actions.record("trim", None, actor=actor, reason=reason, now=now, changes=changes)
    return total


def _trim(ids: list[UUID], jobs: JobQuerySet, *, logs_only: bool) -> int:
    with atomic():
        chosen = list(_locked(jobs.using(using()).filter(pk__in=ids)))
        LogLine.objects.filter(job_id__in=chosen).delete()
        if not logs_only:
            Step.objects.filter(job_id__in=chosen).delete()
    return len(chosen)


def forget(job_id: UUID, *, actor: Any = None, now: datetime, reason: str = "") -> None:
    """Delete one finished job.

    Raises:
        JobNotFound: There is no such job.
        TransitionRefused: It has not ended, or its workflow has not.  Nothing was deleted.
    """
    finished = Job.objects.filter(state__in=sorted(FINAL))
    with atomic():
        if not _delete([job_id], finished):
            is_member = finished.filter(pk=job_id).exists()
            whose = "its workflow's" if is_member else "its"
            hint = f"cancel {'that' if is_member else 'it'} first, or wait for {whose} end"
            raise refusal(job_id, "forgotten", hint)
        actions.record("forget", job_id, actor=actor, reason=reason, now=now)


def _slices(jobs: JobQuerySet | BatchQuerySet) -> Iterator[list[UUID]]:
    last = None
    while ids := _after(jobs, last):
        yield ids
        last = ids[-1]


def _after(jobs: JobQuerySet | BatchQuerySet, last: UUID | None) -> list[UUID]:
    rows = jobs.filter(pk__gt=last) if last else jobs
    return list(rows.order_by("pk").values_list("pk", flat=True)[:SLICE])


def _somehow(ids: list[UUID], write: Callable[[list[UUID]], int], now: datetime) -> int:
    """Write for a slice; where that is refused for one row of it, set that aside and go on."""
    try:
        return write(ids)
    except Exception as error:
        if answer(error) is Answer.OUTAGE:
            raise
        logger.exception("Rows could not be deleted together, each is deleted by itself")
    aside, done = Aside(Duty.PRUNE, now=now), 0
    for row_id in ids:
        with aside.guarding(row_id):
            done += write([row_id])
    return done


def _delete(ids: list[UUID], jobs: JobQuerySet) -> int:
    with atomic():
        chosen = list(_locked(settled(jobs).using(using()).filter(pk__in=ids)))
        LogLine.objects.filter(job_id__in=chosen).delete()
        Step.objects.filter(job_id__in=chosen).delete()
        Attempt.objects.filter(job_id__in=chosen).delete()
        troubles.forget(chosen)
        gone = Job.objects.using(using()).filter(pk__in=chosen)
        deleted = gone._raw_delete(using())  # noqa: SLF001 - children are gone; spares Django's collection of every row
        return deleted or 0


def _locked(jobs: JobQuerySet) -> Iterable[UUID]:
    """Return the ids, locked so that a retry cannot reopen a job whose children go."""
    if connections[using()].features.has_select_for_update:
        jobs = jobs.select_for_update()
    return jobs.order_by("pk").values_list("pk", flat=True)
