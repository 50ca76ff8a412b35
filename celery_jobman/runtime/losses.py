"""Losses: ending attempts whose process died or was killed by a hard time limit."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from billiard.exceptions import TimeLimitExceeded
from celery import current_app
from django.utils import timezone

from celery_jobman.core import cancellation, redelivery, rescue, schedule, troubles
from celery_jobman.exceptions import JobNotFound, TransitionRefused, UnknownTask
from celery_jobman.models import Duty, Job
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.runtime import broker, outcomes, results
from celery_jobman.runtime.task import JobTask
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime

    from celery_jobman.core.rescue import Rescued
    from celery_jobman.runtime.identity import Identity

logger = logging.getLogger("celery_jobman")

#: How long a job waits that the worker's code does not know.
UNKNOWN_DELAY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What the event loop knew of a process that died."""

    task_id: str
    pid: int | None
    header: dict[str, Any] | None
    why: str
    error: Exception
    #: Celery has stored the failure itself (plain tasks).
    is_told: bool = False


def settle(loss: Loss, me: Identity) -> None:
    """End the attempt that a dead process held, or send its unclaimed job out again."""
    job = _held(loss, me)
    if job is None:
        _resend(loss)
        return
    taken = _taken(job, loss, timezone.now())
    if taken is not None and not loss.is_told:
        _tell(taken, loss)


def _taken(job: Job, loss: Loss, now: datetime) -> Rescued | None:
    """End the attempt; where that fails for a reason of the job's own, let its page say so."""
    try:
        if isinstance(loss.error, TimeLimitExceeded):
            delay, final = _delay(job), _is_final(job)
            taken = rescue.time_out(job, loss.why, now=now, delay=delay, final=final)
        else:
            taken = rescue.lose(job, loss.why, now=now)
    except Exception as error:
        if is_refusal(error):
            troubles.note(Duty.RESCUE, job.id, error, now=now)
        raise
    troubles.overcome(Duty.RESCUE, job.id)
    return taken


def _held(loss: Loss, me: Identity) -> Job | None:
    held = Job.objects.filter(task_id=loss.task_id, state=State.RUNNING, worker_id=me.worker_id)
    return held.filter(pid=loss.pid).first() if loss.pid else held.first()


def _resend(loss: Loss) -> None:
    """The process died between taking the message and claiming the job."""
    if loss.header is not None:
        job_id, delivery = UUID(loss.header["job"]), loss.header["delivery"]
        now = timezone.now()
        redelivery.resend(
            job_id,
            delivery,
            broker.publish,
            now=now,
            expired=results.cancelled,
            given_up=results.failed,
        )


def revoked(header: dict[str, Any], me: Identity, *, expired: bool) -> None:
    """End a job that Celery's own ``revoke`` or ``expires`` stopped."""
    job_id, now = UUID(header["job"]), timezone.now()
    if expired:
        schedule.expire(job_id, now=now, delivery=header["delivery"])
        return
    with suppress(TransitionRefused, JobNotFound):
        cancellation.cancel(job_id, now=now, actor=me.hostname, reason="revoked through Celery")
    job = Job.objects.filter(pk=job_id, state=State.RUNNING, attempt=header["attempt"]).first()
    if job is not None:
        cancellation.stop_by_force(job, now=now)


def unknown(header: dict[str, Any], name: str, me: Identity) -> None:
    """Put a job back whose task this worker does not know: another one, or newer code, may."""
    error = UnknownTask(name)
    logger.error("Task is not known here, its job waits task=%s worker=%s", name, me.hostname)
    job_id, delivery = UUID(header["job"]), header["delivery"]
    schedule.hold(job_id, delivery, error, now=timezone.now(), delay=UNKNOWN_DELAY)


def _delay(job: Job) -> timedelta:
    task = current_app.tasks.get(job.task)
    return outcomes.delay(task, job.failures + 1) if isinstance(task, JobTask) else timedelta()


def _is_final(job: Job) -> bool:
    return bool(getattr(current_app.tasks.get(job.task), "fail_on_timeout", False))


def _tell(taken: Rescued, loss: Loss) -> None:
    logger.warning("Attempt lost job=%s state=%s why=%s", taken.job_id, taken.state, loss.why)
    if taken.state == State.FAILED:
        results.failed(taken.job_id, loss.error)
    else:
        results.ended([taken])
