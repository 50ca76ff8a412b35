"""Attempts: claiming a job, and ending the execution that the claim began.

Every write names the attempt it belongs to.  A worker that lost its job to another (it was
frozen, and its job was rescued) matches no row and learns so by :class:`ClaimLost`.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from celery_jobman import signals
from celery_jobman.core import (
    endings,
    fallbacks,
    hooks,
    joins,
    logs,
    standins,
    transitions,
    troubles,
)
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import Fault, named
from celery_jobman.core.joins import Failure
from celery_jobman.core.statements import Insert, Plus
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Attempt, Duty, Job, Outcome
from celery_jobman.models.database import atomic, is_inside, using
from celery_jobman.states import CLAIMABLE, FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.endings import Run
    from celery_jobman.core.logs import Line


#: Columns of a job that nobody has asked to stop.
NOT_ASKED_TO_STOP: dict[str, Any] = {"cancel_requested_at": None}


def claim(run: Run, delivery: int) -> bool:
    """Take a job for one attempt, in one guarded UPDATE.

    Args:
        run: The execution that wants to begin; its number is one more than the job's last.
        delivery: The number that the message carries.

    Returns:
        False when the message is stale or a duplicate: the job is running elsewhere, has
        ended, was cancelled, or was dispatched anew since.  Nothing was written.
    """
    moved = transitions.try_move(
        run.job_id,
        State.RUNNING,
        now=run.started_at,
        sources=CLAIMABLE,
        at={"delivery": delivery, "attempt": run.number - 1},
        attempt=run.number,
        started_at=run.started_at,
        worker_id=run.worker_id,
        pid=run.pid,
        dispatch_error="",
    )
    if moved:
        _announce_start(run)
    return moved


def adopt(job: Job, run: Run) -> None:
    """Write the row of a job that somebody else enqueued, already claimed by ``run``."""
    job.state, job.attempt, job.delivery = State.RUNNING, run.number, 1
    job.created_at = job.queued_at = job.started_at = run.started_at
    job.worker_id, job.pid = run.worker_id, run.pid
    job.save(force_insert=True, using=using())
    signals.announce(signals.job_enqueued, using(), job.id, task=job.task)
    _announce_start(run)


def _announce_start(run: Run) -> None:
    values = {"task": run.task, "attempt": run.number}
    signals.announce(signals.job_started, using(), run.job_id, **values)


def holding(job_id: UUID, number: int) -> dict[str, Any]:
    """Return the columns of a job that attempt ``number`` holds, and may write for."""
    return {"id": job_id, "attempt": number, "state": State.RUNNING}


def is_ours(job_id: UUID, number: int) -> Q:
    """Return the condition under which attempt ``number`` may still write."""
    return Q(**holding(job_id, number))


def is_begun(run: Run) -> bool:
    """Whether ``run``, and no other, has claimed its job and not ended."""
    mine = Job.objects.filter(is_ours(run.job_id, run.number), started_at=run.started_at)
    return mine.filter(worker_id=run.worker_id, pid=run.pid).exists()


def cancel_requested(job_id: UUID, number: int) -> tuple[datetime | None, bool]:
    """Return when this attempt was asked to stop (None: it was not), and whether by force.

    Raises:
        ClaimLost: The attempt no longer holds the job.
    """
    columns = ("cancel_requested_at", "cancel_forced")
    row = Job.objects.filter(is_ours(job_id, number)).only(*columns).first()
    if row is None:
        raise ClaimLost
    return row.cancel_requested_at, row.cancel_forced


def finish(
    run: Run,
    ending: Ending,
    *,
    now: datetime,
    lines: Sequence[Line] = (),
    guard: Q | None = None,
    following: Callable[[], None] | None = None,
) -> Ending:
    """End a run, in one transaction: the job's move, the attempt's row, the rest of its log.

    A job that was asked to stop waits neither for another attempt nor for a stand-in: it is
    cancelled instead.  What the database refuses of an end (a result, a line, an error's text) is
    left out, and noted as a trouble of the job; a callback or a link that cannot be enqueued is a
    failed job.

    Args:
        run: The execution that ends.
        ending: How, and where the job goes.
        now: Aware datetime of the end.
        lines: Log lines not written yet, so that "finished" implies that the log is complete.
        guard: A further condition on the job's row.
        following: Called in the same transaction, when the job has moved: writes what follows
            it.  What it raises takes everything back.

    Returns:
        The ending that was written.

    Raises:
        ClaimLost: The run no longer holds the job, or ``guard`` does not hold.
        NotWritten: As ``following`` raises it.
        django.db.Error: The database is away, or a transaction was in the way.

    In each case nothing was written.
    """
    end = _End(run, ending, now, tuple(lines), guard, following)
    return fallbacks.somehow(end.write)


@dataclass(slots=True)
class _End:
    """All that is written when a run ends."""

    run: Run
    ending: Ending
    now: datetime
    lines: tuple[Line, ...]
    guard: Q | None
    following: Callable[[], None] | None

    def write(self) -> Ending:
        is_hooked = self.ending.to == State.FAILED and hooks.hooks.wanted(self.run.task)
        is_more = self.lines or self.following or self.run.member or is_hooked
        with atomic() if is_more or fallbacks.is_careful() or is_inside() else nullcontext():
            if self.ending.stand_in is None:
                return self._write(self.ending)
            return fallbacks.part(lambda: self._write(self.ending), self._write_without_stand_in)

    def _write(self, wanted: Ending) -> Ending:
        run, now = self.run, self.now
        ending = self._leave(wanted)
        _announce_end(run, ending)
        _tell_batch(run, ending, now)
        if ending.to == State.FAILED and hooks.hooks.wanted(run.task):
            fallbacks.part(lambda: hooks.write(run.job_id, ending.fault, now=now), self._lacks)
        if self.following is not None and ending.to == self.ending.to:
            self.following()
        return ending

    def _write_without_stand_in(self, refusal: Exception) -> Ending:
        """What was to take the job's place cannot be written: the job has failed."""
        failed = Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=Fault.of(refusal))
        return self._write(replace(failed, resumed_from=self.ending.resumed_from))

    def _leave(self, wanted: Ending) -> Ending:
        if not fallbacks.is_careful():
            ending = _left(self.run, wanted, self.now, self.guard)
            logs.write(self.lines)
            return ending
        dropped = logs.write_each(self.lines)
        ending = replace(wanted, lines_dropped=wanted.lines_dropped + dropped)
        if dropped:
            self._note(f"{dropped} of its log lines")
        return self._leave_with([(ending, "")])

    def _leave_with(
        self, rungs: Sequence[tuple[Ending, str]], refusal: Exception | None = None
    ) -> Ending:
        """Write the first of some endings that the database takes, each with what it lacks."""
        if not rungs:
            return self._leave_without_a_row(refusal)
        (ending, lacking), *rest = rungs

        def fall(error: Exception) -> Ending:
            is_taken = self.run.member is not None
            less = rest if lacking else endings.lesser(ending, error, is_taken=is_taken)
            return self._leave_with(list(less), error)

        def write() -> Ending:
            done = _left(self.run, ending, self.now, self.guard)
            if lacking:
                self._note(lacking, refusal)
            return done

        return fallbacks.part(write, fall)

    def _leave_without_a_row(self, refusal: Exception | None) -> Ending:
        barest = endings.bare(self.ending, is_taken=self.run.member is not None)
        if not _move(self.run, barest, self.now, self.guard, along=None):
            raise ClaimLost
        self._note("all that its last attempt had to say", refusal)
        return barest

    def _lacks(self, refusal: Exception) -> None:
        self._note("the job that calls its failed()", refusal)

    def _note(self, what: str, refusal: Exception | None = None) -> None:
        because = f" ({named(refusal)})" if refusal else ""
        text = f"its end was written without {what}, which the database refused{because}"
        job_id, now = self.run.job_id, self.now
        fallbacks.part(lambda: troubles.remark(Duty.END, job_id, text, now=now), lambda _: None)


def _left(run: Run, ending: Ending, now: datetime, guard: Q | None) -> Ending:
    """Move the job, or cancel it if it was asked to stop; return the ending that was written.

    Raises:
        ClaimLost: The run no longer holds it.
    """
    row = Insert(Attempt, _row(run, ending, now))
    if _move(run, ending, now, guard, along=row):
        return ending
    stopped = _stopped(ending)
    if not _move(run, stopped, now, guard, along=Insert(Attempt, _row(run, stopped, now))):
        raise ClaimLost
    return stopped


def _stopped(ending: Ending) -> Ending:
    if not _goes_on(ending):
        raise ClaimLost
    return Ending(
        outcome=Outcome.CANCELLED,
        to=State.CANCELLED,
        fault=ending.fault,
        resumed_from=ending.resumed_from,
        lines_dropped=ending.lines_dropped,
    )


def _goes_on(ending: Ending) -> bool:
    """Whether the job's work is not over: it waits for another attempt, or for its stand-in."""
    return ending.to not in FINAL or ending.stand_in is not None


def _move(
    run: Run, ending: Ending, now: datetime, guard: Q | None, *, along: Insert | None
) -> bool:
    return transitions.try_move(
        run.job_id,
        ending.to,
        now=now,
        sources=frozenset({State.RUNNING}),
        at={"attempt": run.number} | (NOT_ASKED_TO_STOP if _goes_on(ending) else {}),
        guard=guard,
        along=along,
        **_changes(ending, now),
    )


def _changes(ending: Ending, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {"worker_id": None, "pid": None, **ending.changes}
    if ending.available_at:
        changes["available_at"] = ending.available_at
    if ending.counts:
        changes |= _fault(ending) | {"failures": Plus(1), "last_failed_at": now}
    if ending.outcome == Outcome.LOST:
        changes["crashes"] = Plus(1)
    if ending.outcome == Outcome.RELEASED:
        changes["releases"] = Plus(1)
    if ending.to not in FINAL:
        changes.setdefault("trigger", "automatic")
    if ending.to == State.SUCCEEDED:
        changes |= {"error_class": "", "error_message": "", "fingerprint": ""}
    return changes


def _fault(ending: Ending) -> dict[str, Any]:
    shown = asdict(ending.fault)
    del shown["traceback"]
    return shown


def _row(run: Run, ending: Ending, now: datetime) -> dict[str, Any]:
    return {
        "job_id": run.job_id,
        "number": run.number,
        "started_at": run.started_at,
        "finished_at": now,
        "outcome": ending.outcome,
        "error_class": ending.fault.error_class,
        "error_message": ending.fault.error_message,
        "traceback": ending.fault.traceback,
        "worker_id": run.worker_id,
        "hostname": run.hostname,
        "pid": run.pid,
        "resumed_from": ending.resumed_from,
        "trigger": run.trigger,
        "code_version": run.code_version,
        "lines_dropped": ending.lines_dropped,
    }


def _tell_batch(run: Run, ending: Ending, now: datetime) -> None:
    if run.member is None or ending.to not in FINAL:
        return
    failure = None
    if ending.to == State.FAILED:
        failure = Failure(
            job_id=run.job_id,
            task=run.task,
            error_class=ending.fault.error_class,
            error_message=ending.fault.error_message,
        )
    member = run.member
    if ending.stand_in is not None:
        member = standins.put(member, ending.stand_in, now=now)
    joins.ended(member, ending.to, now=now, failure=failure, halts=ending.halts)


def _announce_end(run: Run, ending: Ending) -> None:
    if ending.to not in FINAL:
        return
    values = {"task": run.task, "attempt": run.number}
    if ending.to == State.FAILED:
        message = ending.fault.error_message
        signals.announce(signals.job_failed, using(), run.job_id, error_message=message, **values)
    signals.announce(signals.job_finished, using(), run.job_id, state=ending.to, **values)
