"""Rescheduling: give a waiting job another time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.core import actions, statements, transitions
from celery_jobman.core.statements import Plus
from celery_jobman.core.terms import check_moment
from celery_jobman.exceptions import JobNotFound
from celery_jobman.models import Job
from celery_jobman.models.database import atomic
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


def reschedule(
    job_id: UUID, at: datetime, *, now: datetime, actor: Any = None, reason: str = ""
) -> None:
    """Let a scheduled or queued job wait until ``at``.

    A message that is on its way already goes stale and is dropped when it arrives.

    Raises:
        ValueError: ``at`` is not aware, or not in a year from 1000 to 9998.
        JobNotFound: There is no such job.
        TransitionRefused: It runs or has ended.  Nothing was written.
    """
    check_moment("the time of a job", at)
    with atomic():
        before = Job.objects.filter(pk=job_id).values_list("available_at", flat=True)
        if not before:
            raise JobNotFound(job_id)
        old = before[0]
        changes: dict[str, Any] = {"available_at": at, "delivery": Plus(1)}
        held = Job.objects.filter(pk=job_id, state=State.SCHEDULED)
        if not held.update(**statements.as_expressions(changes)):
            queued = frozenset({State.QUEUED})
            transitions.move(
                job_id, State.SCHEDULED, "rescheduled", now=now, sources=queued, **changes
            )
        moved = {"available_at": [old and old.isoformat(), at.isoformat()]}
        actions.record("reschedule", job_id, actor=actor, reason=reason, now=now, changes=moved)
