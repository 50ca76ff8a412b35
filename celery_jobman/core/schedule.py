"""The schedule: jobs held in the database, until they are given to the broker, or expire.

Here is what becomes of one job; :mod:`celery_jobman.core.dispatching` gives away many.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from celery_jobman.core import cancellation, moments, transitions, troubles
from celery_jobman.core.encoding import clean
from celery_jobman.core.faults import named
from celery_jobman.exceptions import UnknownTask, UnsendableMessage
from celery_jobman.models import Duty, Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.models.job import JobQuerySet

    Publish = Callable[[Job], None]

logger = logging.getLogger("celery_jobman")

#: How long a job waits in the database after the broker refused its message.
REFUSED_DELAY = timedelta(seconds=5)
#: How ``dispatch_error`` begins when it was no broker that refused, but a worker.
UNKNOWN_TASK = f"{UnknownTask.__name__}: "
#: How it begins when there is no message that a broker could take.
UNSENDABLE = f"{UnsendableMessage.__name__}: "


def dispatch(
    job: Job, publish: Publish, *, now: datetime, expired: Callable[[UUID], object] = bool
) -> bool | None:
    """Move one scheduled job to queued and publish its message.

    Args:
        job: The job, as it was read.
        publish: Called with the job; sends its message or raises.
        now: Aware datetime to judge by.
        expired: Called with the job's id when it is cancelled because it had expired.

    Returns:
        True when the message was sent, False when the broker refused it (the job is scheduled
        again), None when somebody else moved the job first, it had expired, or there is no
        message that could be sent (the job is set aside).
    """
    if has_expired(job, now):
        if expire(job.id, now=now, delivery=job.delivery):
            expired(job.id)
        return None
    delivery = job.delivery + 1
    moved = transitions.try_move(
        job.id,
        State.QUEUED,
        now=now,
        sources=frozenset({State.SCHEDULED}),
        at={"delivery": job.delivery},
        delivery=delivery,
        queued_at=now,
        dispatch_error="",
    )
    if not moved:
        return None
    job.delivery = delivery
    return send(job, publish, now=now)


def has_expired(job: Job, now: datetime) -> bool:
    """Whether it is too late to begin a job."""
    return job.expires_at is not None and job.expires_at <= now


def expire(job_id: UUID, *, now: datetime, delivery: int | None = None) -> bool:
    """Cancel a waiting job whose time to begin has passed (Celery's ``expires``).

    Args:
        job_id: The job.
        now: Aware datetime of the end.
        delivery: The message that expired; None for whichever there is.

    Returns:
        False when the job had moved on.
    """
    reason = "it expired before a worker began it"
    at = {} if delivery is None else {"delivery": delivery}
    return cancellation.stop_waiting(job_id, now=now, at=at, error_message=reason)


def send(job: Job, publish: Publish, *, now: datetime) -> bool | None:
    """Publish a queued job; put it back on the schedule when the broker refuses it.

    Returns:
        Whether the broker took the message; None when there is none that it could take.
    """
    moments.reached("queued")
    try:
        publish(job)
    except Exception as error:  # noqa: BLE001 - whatever the transport raises
        refuse(job, error, now=now)
        return None if isinstance(error, UnsendableMessage) else False
    sent(job)
    return True


def sent(job: Job) -> None:
    """Forget, of a job as it was read, that there was no message of it before."""
    if job.dispatch_error.startswith(UNSENDABLE):
        troubles.overcome(Duty.DISPATCH, job.id)


def refuse(job: Job, error: Exception, *, now: datetime) -> None:
    """Hold a job, as it was read, whose message was refused; see :func:`hold`.

    One of which no message can be made waits twice as long each time.
    """
    since = job.refused_at if job.dispatch_error else None
    if isinstance(error, UnsendableMessage):
        delay = troubles.note(Duty.DISPATCH, job.id, error, now=now)
        hold(job.id, job.delivery, error, now=now, since=since, delay=delay)
    else:
        hold(job.id, job.delivery, error, now=now, since=since)


def refused() -> JobQuerySet:
    """Return the jobs that wait because the broker did not take their messages."""
    held = Job.objects.filter(state=State.SCHEDULED).exclude(dispatch_error="")
    for others in (UNKNOWN_TASK, UNSENDABLE):
        held = held.exclude(dispatch_error__startswith=others)
    return held


def put_back(job_id: UUID, delivery: int, *, now: datetime) -> bool:
    """Schedule a queued job again at once: who took its message does not want to begin it."""
    return transitions.try_move(
        job_id,
        State.SCHEDULED,
        now=now,
        sources=frozenset({State.QUEUED}),
        at={"delivery": delivery},
        available_at=now,
    )


def hold(
    job_id: UUID,
    delivery: int,
    error: Exception,
    *,
    now: datetime,
    delay: timedelta = REFUSED_DELAY,
    since: datetime | None = None,
) -> None:
    """Put a job whose message was refused back on the schedule, with the error noted.

    Args:
        job_id: The job.
        delivery: The message that was refused.
        error: Why.
        now: Aware datetime of the refusal.
        delay: Wait before the job is sent again.
        since: When the first of these refusals was; None when this is the first.
    """
    logger.warning("Message was refused job=%s error=%r", job_id, error)
    transitions.try_move(
        job_id,
        State.SCHEDULED,
        now=now,
        sources=frozenset({State.QUEUED}),
        at={"delivery": delivery},
        available_at=now + delay,
        dispatch_error=clean(named(error), 1000),
        refused_at=since or now,
    )
