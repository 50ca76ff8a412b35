"""What people do to jobs; see :mod:`celery_jobman.actions`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from celery_jobman.core import (
    cancellation,
    dispatching,
    forks,
    jobs,
    priorities,
    pruning,
    rescheduling,
    rescue,
    retries,
    workers,
)
from celery_jobman.core.terms import Terms
from celery_jobman.models.database import using
from celery_jobman.runtime import broker, hinting, results, signatures
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.rescue import Rescued
    from celery_jobman.core.retries import Plan
    from celery_jobman.models.job import JobQuerySet

find = jobs.find
plan_retry = retries.plan
#: A block in which many jobs are cancelled, so that Celery is told of them all at once.
cancelling_many = results.gathered


def cancel(job_id: UUID, *, force: bool = False, actor: Any = None, reason: str = "") -> State:
    """Cancel a waiting job, or ask a running one to stop.

    See :func:`celery_jobman.core.cancellation.cancel`, whose result and errors these are.
    """
    now = timezone.now()
    state = cancellation.cancel(job_id, now=now, force=force, actor=actor, reason=reason)
    if state == State.CANCELLED:
        transaction.on_commit(partial(results.cancelled, job_id), using=using())
    return state


def retry(  # noqa: PLR0913 - all but one are keywords
    job_id: UUID,
    *,
    attempt: int | None = None,
    confirm_succeeded: bool = False,
    when: datetime | None = None,
    queue: str | None = None,
    priority: int | None = None,
    actor: Any = None,
    reason: str = "",
) -> None:
    """Run a finished job again; its checkpoints are reused.

    Args:
        job_id: The job.
        attempt: Refuse unless this is still its last attempt.
        confirm_succeeded: Allow it for a job that succeeded.
        when: Not before this aware datetime; None, or a past one, means now.
        queue: Send it to this queue, and leave it there; None keeps the one it has.
        priority: From 0 to 255, likewise.
        actor: Who asks.
        reason: Why.

    Raises:
        ValueError: ``when`` is naive, or no broker knows such a queue or priority.
        JobNotFound: There is no such job.
        TransitionRefused: See :func:`celery_jobman.core.retries.retry`.

    In each case nothing was written.
    """
    retries.retry(
        job_id,
        now=timezone.now(),
        attempt=attempt,
        confirm_succeeded=confirm_succeeded,
        terms=Terms(when=when, queue=queue, priority=priority),
        actor=actor,
        reason=reason,
    )
    _send(job_id)


def retry_from(  # noqa: PLR0913 - all but two are keywords
    job_id: UUID,
    step: str,
    *,
    attempt: int | None = None,
    when: datetime | None = None,
    queue: str | None = None,
    priority: int | None = None,
    actor: Any = None,
    reason: str = "",
) -> Plan:
    """Run a finished job again from a step; earlier checkpoints are reused.

    See :func:`retry` for the arguments, and :func:`celery_jobman.core.retries.rewind`, whose
    result and errors these are.
    """
    plan = retries.rewind(
        job_id,
        step,
        now=timezone.now(),
        attempt=attempt,
        terms=Terms(when=when, queue=queue, priority=priority),
        actor=actor,
        reason=reason,
    )
    _send(job_id)
    return plan


def replay_skipped(job_id: UUID, step: str, *, actor: Any = None, reason: str = "") -> int:
    """Run a finished job again so that an iteration runs only the items it skipped.

    See :func:`celery_jobman.core.retries.replay_skipped`, whose result and errors these are.
    """
    count = retries.replay_skipped(job_id, step, now=timezone.now(), actor=actor, reason=reason)
    _send(job_id)
    return count


def fork(  # noqa: PLR0913 - all but one are keywords
    job_id: UUID,
    *,
    new_id: UUID | None = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    from_step: str | None = None,
    replaces: bool = False,
    actor: Any = None,
    reason: str = "",
) -> UUID:
    """Enqueue a new job like an old one, with other arguments if given.

    Args:
        job_id: The job to copy.
        new_id: The new job's id; a second call with the same one makes no second job.
        args: New positional arguments; None keeps the old ones.
        kwargs: New keyword arguments; None keeps the old ones.
        from_step: Reuse the checkpoints before this step; None reuses none.
        replaces: The new job stands for the old one, whose ``replaced_by`` then names it;
            otherwise the old job is not changed.
        actor: Who asks.
        reason: Why.

    Returns:
        The new job's id.

    Raises:
        JobNotFound: There is no such job.
        UnknownTask: Its task is not registered here, so arguments cannot be checked.
        ArgumentsRefused: The new arguments do not fit the task's signature.
        UnencodableValue: A new argument is not JSON.
        UnknownStep: It has no step ``from_step``.
        TransitionRefused: It shall be replaced and has not ended.

    In each case nothing was written.
    """
    edited = None
    if args is not None or kwargs is not None:
        edited = signatures.bind(jobs.find(job_id), args, kwargs)
    now = timezone.now()
    copy = forks.fork(
        job_id,
        now=now,
        new_id=new_id,
        arguments=edited,
        from_step=from_step,
        replaces=replaces,
        actor=actor,
        reason=reason,
    )
    _send(copy.id)
    return copy.id


def reschedule(job_id: UUID, at: datetime, *, actor: Any = None, reason: str = "") -> None:
    """Let a waiting job wait until ``at``.

    See :func:`celery_jobman.core.rescheduling.reschedule`, whose errors these are.
    """
    rescheduling.reschedule(job_id, at, now=timezone.now(), actor=actor, reason=reason)
    _send(job_id)


def change_priority(
    job_id: UUID, priority: int | None, *, actor: Any = None, reason: str = ""
) -> None:
    """Give a waiting job another priority; a queued job's message is sent again.

    See :func:`celery_jobman.core.priorities.change_priority`, whose errors these are.
    """
    now = timezone.now()
    priorities.change_priority(job_id, priority, now=now, actor=actor, reason=reason)
    _send(job_id)


def forget(job_id: UUID, *, actor: Any = None, reason: str = "") -> None:
    """Delete one finished job; see :func:`celery_jobman.core.pruning.forget`."""
    pruning.forget(job_id, now=timezone.now(), actor=actor, reason=reason)


def prune(jobs: JobQuerySet, *, actor: Any = None, reason: str = "", verb: str = "prune") -> int:
    """Delete jobs in slices; see :func:`celery_jobman.core.pruning.prune`."""
    return pruning.prune(jobs, now=timezone.now(), actor=actor, reason=reason, verb=verb)


def forget_workers() -> int:
    """Delete the rows of workers long gone; see :func:`celery_jobman.core.workers.forget_gone`."""
    return workers.forget_gone(now=timezone.now())


def trim(jobs: JobQuerySet, *, logs_only: bool = False, actor: Any = None, reason: str = "") -> int:
    """Delete logs and steps of jobs; see :func:`celery_jobman.core.pruning.trim`."""
    now = timezone.now()
    return pruning.trim(jobs, now=now, logs_only=logs_only, actor=actor, reason=reason)


def dispatch(*, limit: int = 500) -> int:
    """Give the broker the scheduled jobs that are due; return how many messages were sent."""
    with results.gathered():
        return dispatching.dispatch_due(
            broker.publish_all, now=timezone.now(), limit=limit, expired=results.cancelled
        )


def rescue_lost(*, limit: int = 500) -> list[Rescued]:
    """Take back what dead workers held; see :func:`celery_jobman.core.rescue.rescue_lost`."""
    rescued = rescue.rescue_lost(limit=limit)
    results.ended(rescued)
    return rescued


def _send(job_id: UUID) -> None:
    """Give the broker a job that was just scheduled, once that is committed, if it is due."""
    transaction.on_commit(partial(hinting.send_if_due, job_id), using=using())
