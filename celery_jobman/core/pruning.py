"""Pruning: delete old finished jobs, in slices that never hold a lock for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

from celery_jobman.core import actions
from celery_jobman.core.transitions import refusal
from celery_jobman.models import Attempt, Job, LogLine, Step
from celery_jobman.models.database import atomic, using
from celery_jobman.states import FINAL, WAITING, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.models.job import JobQuerySet

#: Jobs deleted in one transaction.
SLICE = 500


def prunable(cutoff: datetime, states: frozenset[State] = FINAL) -> JobQuerySet:
    """Return the jobs in ``states`` (final ones) that ended strictly before ``cutoff``."""
    return Job.objects.finished_before(cutoff).filter(state__in=sorted(states & FINAL))


def abandoned(cutoff: datetime, now: datetime) -> JobQuerySet:
    """Return jobs that were enqueued before ``cutoff`` and still wait at ``now``.

    Jobs that were put off to a time after ``now`` are not among them.
    """
    old = Job.objects.filter(state__in=sorted(WAITING), created_at__lt=cutoff)
    return old.exclude(available_at__gt=now)


def prune(
    jobs: JobQuerySet,
    *,
    now: datetime,
    actor: Any = None,
    reason: str = "",
    verb: str = "prune",
) -> int:
    """Delete jobs with their attempts, steps and log lines.

    Slices are deleted in transactions of their own: killed half-way, the rest is left for
    the next call.  Audit rows stay.

    Args:
        jobs: Which; jobs that have moved on since a slice was chosen are left alone.
        now: Aware datetime of the request.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.
        verb: What the audit calls it.

    Returns:
        How many jobs were deleted.
    """
    total = sum(_delete(ids, jobs) for ids in _slices(jobs))
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
    total = 0
    for ids in _slices(jobs):
        total += _trim(ids, jobs, logs_only=logs_only)
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
        TransitionRefused: It has not ended.  Nothing was deleted.
    """
    finished = Job.objects.filter(state__in=sorted(FINAL))
    with atomic():
        if not _delete([job_id], finished):
            raise refusal(job_id, "forgotten", "cancel it first, or wait for its end")
        actions.record("forget", job_id, actor=actor, reason=reason, now=now)


def _slices(jobs: JobQuerySet) -> Iterator[list[UUID]]:
    last = None
    while ids := _after(jobs, last):
        yield ids
        last = ids[-1]


def _after(jobs: JobQuerySet, last: UUID | None) -> list[UUID]:
    rows = jobs.filter(pk__gt=last) if last else jobs
    return list(rows.order_by("pk").values_list("pk", flat=True)[:SLICE])


def _delete(ids: list[UUID], jobs: JobQuerySet) -> int:
    with atomic():
        chosen = list(_locked(jobs.using(using()).filter(pk__in=ids)))
        LogLine.objects.filter(job_id__in=chosen).delete()
        Step.objects.filter(job_id__in=chosen).delete()
        Attempt.objects.filter(job_id__in=chosen).delete()
        gone = Job.objects.using(using()).filter(pk__in=chosen)
        deleted = gone._raw_delete(using())  # noqa: SLF001 - children are gone; spares Django's collection of every row
        return deleted or 0


def _locked(jobs: JobQuerySet) -> Iterable[UUID]:
    """Return the ids, locked so that a retry cannot reopen a job whose children go."""
    if connections[using()].features.has_select_for_update:
        jobs = jobs.select_for_update()
    return jobs.order_by("pk").values_list("pk", flat=True)
