"""Priorities: let a waiting job go before others, or after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.core import actions, statements, transitions
from celery_jobman.core.statements import Plus
from celery_jobman.exceptions import JobNotFound
from celery_jobman.models import Job
from celery_jobman.models.database import atomic
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

#: The highest priority that a broker knows.  What a number means is the broker's: RabbitMQ
#: takes higher ones first, Redis lower ones.
HIGHEST = 255


def check(priority: Any) -> None:
    """Refuse what no broker knows as a priority.

    Raises:
        ValueError: It is no whole number from 0 to :data:`HIGHEST`.
    """
    is_number = isinstance(priority, int) and not isinstance(priority, bool)
    if not is_number or not 0 <= priority <= HIGHEST:
        raise ValueError(f"a priority is a number from 0 to {HIGHEST}, not {priority!r}")


def change_priority(
    job_id: UUID, priority: int | None, *, now: datetime, actor: Any = None, reason: str = ""
) -> None:
    """Give a scheduled or queued job another priority.

    A message's priority cannot be changed: a queued job's message goes stale, and the job is
    scheduled for now, so that another message is sent.

    Args:
        job_id: The job.
        priority: From 0 to 255, or None for the queue's own.
        now: Aware datetime of the request.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.

    Raises:
        ValueError: No broker knows such a priority.
        JobNotFound: There is no such job.
        TransitionRefused: It is blocked, runs or has ended.  Nothing was written in any case.
    """
    if priority is not None:
        check(priority)
    with atomic():
        before = Job.objects.filter(pk=job_id).values_list("priority", flat=True)
        if not before:
            raise JobNotFound(job_id)
        old = before[0]
        # A dispatcher that has read the old priority finds another delivery, and reads again.
        changes: dict[str, Any] = {"priority": priority, "delivery": Plus(1)}
        held = Job.objects.filter(pk=job_id, state=State.SCHEDULED)
        if not held.update(**statements.as_expressions(changes)):
            _send_again(job_id, now, changes)
        audit = {"priority": [old, priority]}
        actions.record(
            "change priority", job_id, actor=actor, reason=reason, now=now, changes=audit
        )


def _send_again(job_id: UUID, now: datetime, changes: dict[str, Any]) -> None:
    queued = frozenset({State.QUEUED})
    changes["available_at"] = now
    transitions.move(
        job_id, State.SCHEDULED, "given another priority", now=now, sources=queued, **changes
    )
