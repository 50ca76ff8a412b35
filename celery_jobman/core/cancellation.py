"""Cancellation: a ladder that shows on which rung it stands.

1. A waiting job is cancelled in the database, at once; its message is dropped when it comes.
2. A running job is asked to stop, and stops at its next checkpoint.
3. When the request is ``JOBMAN["CANCEL_GRACE"]`` old, or was forced, its worker raises the
   cancel inside the body; where even that does not help, the pool process is killed (prefork
   only).  The job is cancelled then, never rescued.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.core import actions, attempts, fallbacks, jobs, joins, transitions
from celery_jobman.core.endings import Ending
from celery_jobman.core.rescue import run_of
from celery_jobman.exceptions import ClaimLost, JobNotFound, TransitionRefused
from celery_jobman.models import Job, Outcome
from celery_jobman.models.database import atomic
from celery_jobman.states import FINAL, WAITING, State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


def cancel(
    job_id: UUID, *, now: datetime, force: bool = False, actor: Any = None, reason: str = ""
) -> State:
    """Cancel a waiting job, or ask a running one to stop.

    Args:
        job_id: The job.
        now: Aware datetime of the request.
        force: Do not wait for a checkpoint.
        actor: Who asks; see :func:`celery_jobman.core.actions.record`.
        reason: Why.

    Returns:
        ``CANCELLED`` when the job has ended, ``RUNNING`` when it was asked to.

    Raises:
        JobNotFound: There is no such job.
        TransitionRefused: It has ended already.  Nothing was written.
    """
    with atomic():
        stopped = stop_waiting(job_id, now=now, cancel_requested_at=now)
        state = State.CANCELLED if stopped else _ask_running(job_id, now, force)
        changes = {"state": str(state), "force": force}
        actions.record("cancel", job_id, actor=actor, reason=reason, now=now, changes=changes)
    return state


def stop_waiting(job_id: UUID, *, now: datetime, **changes: Any) -> bool:
    """Cancel a job that waits; return False when it does not (any more)."""
    return fallbacks.somehow(lambda: _stop_waiting(job_id, now, changes))


def _stop_waiting(job_id: UUID, now: datetime, changes: dict[str, Any]) -> bool:
    with atomic():
        moved = transitions.try_move(job_id, State.CANCELLED, now=now, sources=WAITING, **changes)
        if moved:
            _announce(Job.objects.only(*_ANNOUNCED).get(pk=job_id), now)
    return moved


_ANNOUNCED = ("task", "attempt", "batch_id", "role", "next_id", "allow_failure")


def _announce(job: Job, now: datetime) -> None:
    jobs.announce_end(job, State.CANCELLED)
    member = joins.member(job)
    if member is not None:
        joins.ended(member, State.CANCELLED, now=now)


def _ask_running(job_id: UUID, now: datetime, force: bool) -> State:  # noqa: FBT001 - private
    running = Job.objects.filter(pk=job_id, state=State.RUNNING)
    if running.filter(cancel_requested_at__isnull=True).update(
        cancel_requested_at=now, cancel_forced=force
    ):
        return State.RUNNING
    if running.update(cancel_forced=True) if force else running.exists():
        return State.RUNNING
    raise _refusal(job_id)


def _refusal(job_id: UUID) -> JobNotFound | TransitionRefused:
    state = Job.objects.filter(pk=job_id).values_list("state", flat=True).first()
    hint = "it has ended" if state in FINAL else "it is being moved, ask again"
    return transitions.refusal(job_id, "cancelled", hint)


def stop_by_force(job: Job, *, now: datetime) -> bool:
    """End the running attempt of a job whose process is about to be killed.

    The job is cancelled first, so that whoever finds its process dead does not rescue it.

    Returns:
        False when the attempt ended by itself in between; the process must not be killed.
    """
    ending = Ending(outcome=Outcome.CANCELLED, to=State.CANCELLED)
    try:
        attempts.finish(run_of(job), ending, now=now)
    except ClaimLost:
        return False
    return True
