"""Redelivery: send queued jobs again whose message the broker lost.

A message may vanish: a broker restarts without its data, a worker dies with messages it had
prefetched, a web process dies between its commit and the publish.  The row remains.  Here
the jobs that have been queued for ``JOBMAN["REDELIVER_AFTER"]`` are compared with the
messages that are still somewhere: in the broker's queue, or prefetched by a live worker.
Where messages are fewer, the oldest jobs get a new one, as many as are missing.

The counts are of different moments: a worker that takes many messages at once tells of them
with its next heartbeat.  So who asks should ask twice, and believe only what both times miss.

A message taken for lost may yet arrive.  It is stale by then (its delivery number is too
low) and is dropped at the claim, so the price of a wrong guess is one dropped message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count

from celery_jobman.core import schedule, transitions
from celery_jobman.core.statements import Plus
from celery_jobman.core.troubles import Aside
from celery_jobman.models import Duty, Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from uuid import UUID

    from celery_jobman.models.job import JobQuerySet

    Publish = Callable[[Job], None]
    Expired = Callable[[UUID], object]


#: Most messages sent by one call; the rest waits for the next.
LIMIT = 500


def overdue(*, now: datetime, after: timedelta) -> dict[str, int]:
    """Return, per queue, how many jobs have been queued for longer than ``after``."""
    rows = _overdue(now, after).values("queue").annotate(count=Count("id")).order_by()
    return {row["queue"]: row["count"] for row in rows}


def missing(queue: str, messages: int) -> int:
    """Return how many jobs of ``queue`` are queued beyond the ``messages`` that exist of it."""
    return Job.objects.filter(state=State.QUEUED, queue=queue, eager=False).count() - messages


def redeliver(
    queue: str,
    missing: int,
    publish: Publish,
    *,
    now: datetime,
    after: timedelta,
    expired: Expired = bool,
) -> int:
    """Send jobs of ``queue`` again whose messages must be lost.

    Args:
        queue: The broker queue.
        missing: How many messages too few there are; see :func:`missing`.
        publish: Called with each job; sends its message or raises.
        now: Aware datetime to judge by.
        after: Jobs queued for less than this are left alone.
        expired: Called with the id of each job that is cancelled because it had expired.

    Returns:
        How many messages were sent anew.  At the first one that the broker refuses it stops; a
        job that cannot be sent for a reason of its own is set aside.
    """
    if missing <= 0:
        return 0
    aside = Aside(Duty.REDELIVER, now=now)
    spared = [*aside.waiting, *Aside(Duty.BEGIN, now=now).waiting]
    candidates = _overdue(now, after).filter(queue=queue).exclude(pk__in=spared)
    sent = 0
    for job in candidates.order_by("queued_at")[: min(missing, LIMIT)]:
        outcome = None
        with aside.guarding(job.id):
            outcome = _again(job, publish, now, expired)
        if outcome is False:
            break
        sent += bool(outcome)
    return sent


def _overdue(now: datetime, after: timedelta) -> JobQuerySet:
    queued = Job.objects.filter(state=State.QUEUED, observed=False, eager=False)
    return queued.filter(queued_at__lt=now - after)


def _again(job: Job, publish: Publish, now: datetime, expired: Expired) -> bool | None:
    due = transitions.try_move(
        job.id,
        State.SCHEDULED,
        now=now,
        sources=frozenset({State.QUEUED}),
        at={"delivery": job.delivery},
        available_at=now,
        delivery=Plus(1),
    )
    job.delivery += 1
    return schedule.dispatch(job, publish, now=now, expired=expired) if due else None


def resend(
    job_id: UUID, delivery: int, publish: Publish, *, now: datetime, expired: Expired = bool
) -> bool:
    """Send a queued job again whose message was taken by a process that died.

    Args:
        job_id: The job.
        delivery: The message that was taken.
        publish: Called with the job; sends its message or raises.
        now: Aware datetime to judge by.
        expired: Called with the job's id when it is cancelled because it had expired.

    Returns:
        Whether a message was sent; False when the job has moved on from ``delivery``.
    """
    job = Job.objects.filter(pk=job_id, state=State.QUEUED, delivery=delivery).first()
    return job is not None and bool(_again(job, publish, now, expired))
