"""Joins: a batch counts its members as they end, and finishes with the last of them.

The count is one UPDATE that adds to what the row holds, in the transaction that ends the
member; no client holds a lock and nobody counts rows.  Whoever brings ``pending`` to zero
closes the batch in the same transaction, writes its callbacks, and ends it as a member of the
batch that it is in, up to the workflow's root.

Rows are always written from the inside to the outside: a job, what follows it, their batch,
then what follows that and the batch around it.  So two transactions never wait for each other.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery_jobman import signals
from celery_jobman.core import (
    behind,
    callbacks,
    fallbacks,
    hints,
    jobs,
    links,
    moments,
    passing,
    statements,
    tallies,
    transitions,
    troubles,
)
from celery_jobman.core.faults import Fault, named
from celery_jobman.core.statements import Plus
from celery_jobman.core.transitions import NOWHERE
from celery_jobman.exceptions import ResultTooLarge
from celery_jobman.models import Batch, Duty, Job, Role, Stopping
from celery_jobman.models.database import atomic, using
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

logger = logging.getLogger("celery_jobman")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A job or a batch, as the batch around it sees it.

    A job of Celery's own canvas that others wait for is one too, without a batch.
    """

    id: UUID
    task: str
    batch_id: UUID | None
    next_id: UUID | None = None
    allow_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a batch keeps, and tells its ``catch`` callbacks, of its first failure."""

    job_id: UUID
    task: str
    error_class: str = ""
    error_message: str = ""


def member(row: Job) -> Member | None:
    """Return a job as a member; None when no batch counts it, and nothing waits for it."""
    if row.role != Role.MEMBER or (row.batch_id is None and row.next_id is None):
        return None
    return Member(
        id=row.id,
        task=row.task,
        batch_id=row.batch_id,
        next_id=row.next_id,
        allow_failure=row.allow_failure,
    )


def has_batch(row: Job) -> bool:
    """Whether the batch is there that a job names; a project may have deleted its row."""
    return row.batch_id is not None and Batch.objects.filter(pk=row.batch_id).exists()


def ended(
    member: Member,
    to: State,
    *,
    now: datetime,
    failure: Failure | None = None,
    halts: bool = False,
) -> None:
    """Do what follows from the end of a member, in the transaction that wrote that end.

    Args:
        member: Who ended.
        to: How: the final state that its row holds by now.
        now: Aware datetime of the end.
        failure: What went wrong, if it failed.
        halts: Celery's own canvas does not go on from it, even if it succeeded.
    """
    batch_id = member.batch_id
    if batch_id is None:
        if halts or to != State.SUCCEEDED:
            tell = to == State.CANCELLED  # of a chain that fails Celery tells itself
            behind.skip(member.id, now=now, tell=tell)
        return
    skipped = 0
    if to == State.SUCCEEDED or (to == State.FAILED and member.allow_failure):
        _release(member.next_id, member.id, now)
    else:
        skipped = links.skip(member.next_id, member.id, now=now)
    ends = Counter({str(to): 1})
    ends["skipped"] += skipped
    ends["excused"] += to == State.FAILED and member.allow_failure
    counts_against = to == State.FAILED and not member.allow_failure
    failed = (member, failure) if counts_against else None
    fallbacks.part(
        lambda: count(batch_id, ends, now=now, failed=failed),
        lambda refusal: _count_anew(batch_id, refusal, now),
    )


def _release(link_id: UUID | None, by: UUID, now: datetime) -> None:
    """Let a link begin; one that cannot be enqueued fails, and is told of as any other failure."""
    if link_id is not None:
        fallbacks.part(
            lambda: links.release(link_id, now=now),
            lambda refusal: fail_link(link_id, by, refusal, now=now),
        )


def fail_link(link_id: UUID, by: UUID, error: Exception, *, now: datetime) -> None:
    """End a link whose wait is over, and that cannot be enqueued, as failed.

    Args:
        link_id: The job, blocked; or a batch, whose members are skipped.
        by: What it follows.
        error: Why it cannot.
        now: Aware datetime of that.
    """
    job = Job.objects.filter(pk=link_id).without_payloads().first()
    if job is None:
        links.skip(link_id, by, now=now)
        return
    fault = Fault.of(error)
    message = f"it could not be enqueued: {fault.error_message}"
    shown: dict[str, Any] = {
        "error_class": fault.error_class,
        "error_message": message,
        "fingerprint": fault.fingerprint,
        "last_failed_at": now,
    }
    blocked = frozenset({State.BLOCKED})
    if transitions.try_move(link_id, State.FAILED, now=now, sources=blocked, **shown):
        jobs.announce_end(job, State.FAILED)
        hints.ended([link_id])
        failure = Failure(
            job_id=link_id, task=job.task, error_class=fault.error_class, error_message=message
        )
        as_member = member(job)
        if as_member is not None:
            ended(as_member, State.FAILED, now=now, failure=failure)


def _count_anew(batch_id: UUID, refusal: Exception, now: datetime) -> bool:
    """Replace counts that cannot be added to by what counting the rows gives."""
    logger.warning("Counts of a batch are taken anew batch=%s error=%r", batch_id, refusal)
    tallies.recount(batch_id)
    return close(batch_id, now=now)


def count(
    batch_id: UUID,
    counts: Mapping[str, int],
    *,
    now: datetime,
    failed: tuple[Member, Failure | None] | None = None,
    at: Mapping[str, Any] = NOWHERE,
) -> bool:
    """Count members that have ended, and close the batch if they were the last.

    Args:
        batch_id: Their batch.
        counts: By column: how many ended that way.
        now: Aware datetime of the end.
        failed: The member that failed, if one did whose failure counts.
        at: Columns of the batch and the values they must still hold.

    Returns:
        False when ``at`` does not hold: nothing was counted.
    """
    ends = {name: number for name, number in counts.items() if number}
    gone = sum(number for name, number in ends.items() if name != "excused")
    added = {name: Plus(number) for name, number in ends.items()}
    changes = {"pending": Plus(-gone), **added}
    where = {"id": batch_id, **at}
    left = statements.update_and_read(Batch, where, changes, ("pending", "told_at"))
    if left is None:
        return False
    moments.reached("member counted")
    pending, told_at = left
    if failed is not None:
        _note_failure(batch_id, *failed, now=now)
    if not pending:
        close(batch_id, now=now)
    elif told_at is not None:
        callbacks.tell_progress(batch_id, now=now)
    return True


def _note_failure(
    batch_id: UUID, member: Member, failure: Failure | None, *, now: datetime
) -> None:
    what = failure or Failure(job_id=member.id, task=member.task)
    first = Batch.objects.filter(pk=batch_id, caught=False)
    noted = first.update(caught=True, error_job_id=what.job_id, error_message=what.error_message)
    batch = Batch.objects.get(pk=batch_id)
    if noted:
        _fire(batch, Role.CATCH, _as_told(what), now=now)
    if batch.has_failed and batch.on_failure == "cancel":
        _stop(batch, member.id)


def _as_told(failure: Failure) -> dict[str, Any]:
    return {
        "job_id": str(failure.job_id),
        "task": failure.task,
        "error_class": failure.error_class,
        "error_message": failure.error_message,
    }


def _stop(batch: Batch, by: UUID) -> None:
    going = Batch.objects.filter(pk=batch.id, stopping=Stopping.NOT, pending__gt=0)
    if going.update(stopping=Stopping.FAILED, stopped_by=by):
        hints.errand(batch.id)


def close(batch_id: UUID, *, now: datetime) -> bool:
    """Finish a batch of which nothing is pending, and do what follows from that.

    Returns:
        False when something is pending, or it had finished.
    """
    with atomic(savepoint=False):
        batch = Batch.objects.filter(pk=batch_id).first()
        if batch is None:
            return False
        to, error = fallbacks.part(lambda: _verdict(batch), _failed_verdict)
        changes: dict[str, Any] = {"error_message": error} if error else {}
        closed = transitions.close_batch(batch_id, to, now=now, **changes)
        if closed:
            _announce(Batch.objects.get(pk=batch_id), to, now)
            moments.reached("batch closed")
    return closed


def _failed_verdict(error: Exception) -> tuple[State, str]:
    return State.FAILED, f"how it ended could not be told: {named(error)}"


def _announce(batch: Batch, to: State, now: datetime) -> None:
    if to == State.SUCCEEDED:
        _fire(batch, Role.THEN, now=now)
    _fire(batch, Role.FINALLY, now=now)
    if batch.told_at is not None:
        _fire(batch, Role.PROGRESS, batch.status, now=now)
    signals.announce_batch(batch.id, using(), state=to, finishes=batch.finishes)
    if batch.follows_id is not None:
        hints.stood_in(batch.id)
    if batch.batch_id is not None:
        _end_in_parent(batch, batch.batch_id, to, now)


def _fire(batch: Batch, role: Role, *values: Any, now: datetime) -> None:
    """Write callbacks; where they cannot even be read, say so on the batch's page."""

    def remark(error: Exception) -> None:
        text = f"its callbacks {role!s} could not be written: {named(error)}"
        troubles.remark(Duty.END, batch.id, text, now=now)

    fallbacks.part(lambda: callbacks.fire(batch, role, *values, now=now), remark)


def _end_in_parent(batch: Batch, parent_id: UUID, to: State, now: datetime) -> None:
    outer = Member(
        id=batch.id,
        task=batch.name or str(batch.kind),
        batch_id=parent_id,
        next_id=batch.next_id,
        allow_failure=batch.allow_failure,
    )
    failure = None
    if to == State.FAILED:
        failure = Failure(
            job_id=batch.error_job_id or batch.id,
            task=outer.task,
            error_message=batch.error_message,
        )
    ended(outer, to, now=now, failure=failure)


def _verdict(batch: Batch) -> tuple[State, str]:
    """Return how a batch ends, and an error of its own."""
    if batch.stopping == Stopping.SKIPPED:
        return State.SKIPPED, ""
    if batch.stopping != Stopping.NOT and not batch.total:
        return State.CANCELLED, ""
    if batch.stopping == Stopping.CANCELLED and (batch.cancelled or batch.skipped):
        return State.CANCELLED, ""
    if batch.has_failed:
        return State.FAILED, ""
    if batch.cancelled:
        return State.CANCELLED, ""
    return _passed_on(batch)


def _passed_on(batch: Batch) -> tuple[State, str]:
    if batch.next_id is not None and passing.takes_result(batch.next_id):
        try:
            passing.value_of_batch(batch.id)
        except ResultTooLarge as error:
            return State.FAILED, str(error)
    return State.SUCCEEDED, ""
