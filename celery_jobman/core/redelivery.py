"""Redelivery: send queued jobs again whose message the broker lost.

A message may vanish: a broker restarts without its data, a worker dies with messages it had
prefetched, a web process dies between its commit and the publish.  The row remains.  Here
the jobs that have been queued for ``JOBMAN["REDELIVER_AFTER"]`` are compared with the
messages that are still somewhere: in the broker's queue, or prefetched by a live worker.
Where messages are fewer, the oldest jobs get a new one, as many as are missing.

The counts are of different moments: a worker that takes many messages at once tells of them
with its next heartbeat.  So who asks should ask twice, and believe only what both times miss.

A job whose messages vanish one after the other, and which no worker begins, is sent again after
growing pauses, which its page and ``jobman doctor`` tell of as a trouble, and not without a limit:
perhaps what takes its messages, and runs them, knows nothing of jobs.

A message taken for lost may yet arrive.  It is stale by then (its delivery number is too
low) and is dropped at the claim, so the price of a wrong guess is one dropped message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count

from celery_jobman.core import attempts, joins, schedule, transitions, troubles
from celery_jobman.core.endings import Ending, Run
from celery_jobman.core.faults import Fault
from celery_jobman.core.statements import Plus
from celery_jobman.core.troubles import Aside
from celery_jobman.exceptions import JobUnbegun
from celery_jobman.models import Duty, Job, Outcome, Trouble
from celery_jobman.models.database import atomic
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from uuid import UUID

    from celery_jobman.models.job import JobQuerySet

    Publish = Callable[[Job], None]
    Expired = Callable[[UUID], object]
    GivenUp = Callable[[UUID, Exception], object]


#: Most messages sent by one call; the rest waits for the next.
LIMIT = 500
#: How often a job is sent again that no worker begins.
MOST_UNBEGUN = 10


def _nobody(_job_id: UUID, _error: Exception) -> None:
    pass


def overdue(*, now: datetime, after: timedelta) -> dict[str, int]:
    """Return, per queue, how many jobs have been queued for longer than ``after``."""
    rows = _overdue(now, after).values("queue").annotate(count=Count("id")).order_by()
    return {row["queue"]: row["count"] for row in rows}


def missing(queue: str, messages: int) -> int:
    """Return how many jobs of ``queue`` are queued beyond the ``messages`` that exist of it."""
    return Job.objects.filter(state=State.QUEUED, queue=queue, eager=False).count() - messages


def redeliver(  # noqa: PLR0913 - all but three are keywords
    queue: str,
    missing: int,
    publish: Publish,
    *,
    now: datetime,
    after: timedelta,
    expired: Expired = bool,
    given_up: GivenUp = _nobody,
) -> int:
    """Send jobs of ``queue`` again whose messages must be lost.

    Args:
        queue: The broker queue.
        missing: How many messages too few there are; see :func:`missing`.
        publish: Called with each job; sends its message or raises.
        now: Aware datetime to judge by.
        after: Jobs queued for less than this are left alone.
        expired: Called with the id of each job that is cancelled because it had expired.
        given_up: Called with the id of each job that has failed because no worker began it in
            :data:`MOST_UNBEGUN` tries, and the error.

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
            outcome = _again(job, publish, now, expired, given_up)
        if outcome is False:
            break
        sent += bool(outcome)
    return sent


def _overdue(now: datetime, after: timedelta) -> JobQuerySet:
    queued = Job.objects.filter(state=State.QUEUED, observed=False, eager=False)
    return queued.filter(queued_at__lt=now - after)


def _again(
    job: Job, publish: Publish, now: datetime, expired: Expired, given_up: GivenUp
) -> bool | None:
    # Each attempt begins with one message; what is beyond that was sent and came to nothing.
    if job.delivery - job.attempt > 1 and not _may_be_sent(job, now, given_up):
        return None
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


def _may_be_sent(job: Job, now: datetime, given_up: GivenUp) -> bool:
    """Count the tries to begin a job as its trouble; give it up when there were too many."""
    known = Trouble.objects.filter(duty=Duty.BEGIN, row_id=job.id).first()
    why = f"its message was sent {job.delivery - job.attempt} times, and no worker began it"
    if known is not None and known.tries >= MOST_UNBEGUN:
        _give_up(job, JobUnbegun(f"{why}; {known.error}"), now, given_up)
        return False
    if known is None or job.queued_at is None or known.tried_at <= job.queued_at:
        troubles.note(Duty.BEGIN, job.id, why, now=now)  # the claim has not noted it itself
    return True


def _give_up(job: Job, error: JobUnbegun, now: datetime, given_up: GivenUp) -> None:
    run = Run(
        job_id=job.id,
        task=job.task,
        number=job.attempt + 1,
        started_at=now,
        trigger=job.trigger,
        member=joins.member(job),
    )
    ending = Ending(outcome=Outcome.LOST, to=State.FAILED, fault=Fault.of(error))
    with atomic():
        is_ours = attempts.claim(run, job.delivery)
        if is_ours:
            attempts.finish(run, ending, now=now)
    if is_ours:
        given_up(job.id, error)


def resend(
    job_id: UUID,
    delivery: int,
    publish: Publish,
    *,
    now: datetime,
    expired: Expired = bool,
    given_up: GivenUp = _nobody,
) -> bool:
    """Send a queued job again whose message was taken by a process that died.

    Args:
        job_id: The job.
        delivery: The message that was taken.
        publish: Called with the job; sends its message or raises.
        now: Aware datetime to judge by.
        expired: Called with the job's id when it is cancelled because it had expired.
        given_up: As for :func:`redeliver`.

    Returns:
        Whether a message was sent; False when the job has moved on from ``delivery``.
    """
    job = Job.objects.filter(pk=job_id, state=State.QUEUED, delivery=delivery).first()
    return job is not None and bool(_again(job, publish, now, expired, given_up))
