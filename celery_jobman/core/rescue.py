"""Rescue: take back what a dead worker held.

A worker that is killed cannot report its own death.  Each worker gives a sign of life every
``JOBMAN["HEARTBEAT"]``; one that has given none for ``JOBMAN["WORKER_LOST_AFTER"]``, or has
said goodbye, is dead, and whoever calls :func:`rescue_lost` ends its attempts as *lost* and
puts the jobs back on the schedule, or fails them when no attempt is left.  A job's age plays
no part: a job may run for days on a worker that lives.

While the database is away every worker is silent.  So a worker that rescues believes silence
only when it could give its own signs of life all that time; see
:mod:`celery_jobman.runtime.pulse`.

The danger: a worker that is alive but frozen for longer than that loses its jobs, and what it
was doing may be done twice.  When it comes back, all it writes is refused, and its jobs stop
at their next checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connections
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from celery_jobman.conf import settings
from celery_jobman.core import attempts, joins
from celery_jobman.core.endings import Ending, Run
from celery_jobman.core.faults import Fault
from celery_jobman.core.troubles import Aside
from celery_jobman.exceptions import ClaimLost, JobLost, JobPoisoned
from celery_jobman.models import Duty, Job, Outcome, Worker
from celery_jobman.models.database import DatabaseClock, atomic, using
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """A job taken back from a lost attempt."""

    job_id: UUID
    task_id: str
    task: str
    state: State
    error: str


def rescue_lost(
    *,
    silence: timedelta | None = None,
    judging_silence: bool = True,
    limit: int = 500,
    now: datetime | None = None,
) -> list[Rescued]:
    """Take back up to ``limit`` attempts whose worker is dead.

    Safe to call from any number of processes at once: each attempt is ended by exactly one of
    them, and a heartbeat that arrives first wins.  Each job has its own transaction, and one
    that cannot be taken back is set aside, and tried again after a pause.

    Args:
        silence: Time without a sign of life after which a worker is dead; by default
            ``JOBMAN["WORKER_LOST_AFTER"]``.
        judging_silence: Take silence for death.  False: take back only from workers that
            said goodbye.
        limit: Most attempts to take back in this call.
        now: Aware datetime to judge by; by default the clock of the database, which the
            heartbeats go by too.

    Returns:
        One entry for each job taken back, longest running first.
    """
    moment = now or timezone.now()
    quiet = silence or settings().worker_lost_after
    orphaned = _orphaned(quiet, now) if judging_silence else _left_behind()
    rows = Job.objects.filter(orphaned).without_payloads().order_by("started_at")
    found, taken = list(rows[:limit]), list[Rescued]()
    if not found:
        return taken
    aside = Aside(Duty.RESCUE, now=moment)
    if aside.waiting:
        found = list(rows.exclude(pk__in=aside.waiting)[:limit])
    for job in found:
        with aside.guarding(job.id):
            done = _lose_if_free(job, moment, orphaned)
            taken += [done] if done else []
    return taken


def _lose_if_free(job: Job, now: datetime, orphaned: Q) -> Rescued | None:
    """Take a job back, unless a transaction holds its row.

    A worker that froze in the middle of an atomic step keeps the row locked.  Waiting for it
    would hold up everything else that the rescuer does, its own sign of life included.
    """
    with atomic():
        if not _is_free(job):
            return None
        return lose(job, _DEAD, now=now, guard=orphaned)


def _is_free(job: Job) -> bool:
    if not connections[using()].features.has_select_for_update_skip_locked:
        return True
    mine = Job.objects.filter(pk=job.pk).using(using()).select_for_update(skip_locked=True)
    return bool(mine.values_list("pk"))


_DEAD = "its worker stopped giving signs of life"


def _orphaned(silence: timedelta, now: datetime | None) -> Q:
    """Running for a worker that is dead, or that nobody has ever heard of."""
    theirs = Worker.objects.filter(pk=OuterRef("worker_id"))
    dead = Exists(theirs.dead(silence, now))
    unheard = ~Exists(theirs) & Q(started_at__lt=(now or DatabaseClock()) - silence)
    return Q(state=State.RUNNING, worker_id__isnull=False) & (Q(dead) | unheard)


def _left_behind() -> Q:
    """Running for a worker that said goodbye."""
    gone = Worker.objects.filter(pk=OuterRef("worker_id"), stopped_at__isnull=False)
    return Q(Exists(gone), state=State.RUNNING)


def lose(job: Job, why: str, *, now: datetime, guard: Q | None = None) -> Rescued | None:
    """End a job's running attempt as lost, and decide where the job goes.

    Args:
        job: The running job, as it was read.
        why: What happened, for the error message: ``"its worker …"``.
        now: Aware datetime of the loss.
        guard: Must still hold when the row is written.

    Returns:
        None when the attempt ended, or its worker came back, in between.
    """
    return _take_back(job, _lost(job, why, now), now, guard)


def time_out(job: Job, why: str, *, now: datetime, delay: timedelta, final: bool) -> Rescued | None:
    """End a job's running attempt because its hard time limit ran out.

    Args:
        job: The running job, as it was read.
        why: What happened, for the error message.
        now: Aware datetime of the end.
        delay: Wait before the next attempt, if one is left.
        final: A time-out of this task is final.

    Returns:
        None when the attempt ended by itself in between.
    """
    fault = Fault.of(JobLost(why))
    outcome = Outcome.TIMED_OUT
    if job.cancel_requested_at:
        ending = Ending(outcome=Outcome.CANCELLED, to=State.CANCELLED)
    elif final or _is_spent(job):
        ending = Ending(outcome=outcome, to=State.FAILED, fault=fault)
    else:
        ending = Ending(outcome=outcome, to=State.SCHEDULED, fault=fault, available_at=now + delay)
    return _take_back(job, ending, now)


def _is_spent(job: Job) -> bool:
    return job.max_attempts is None or job.failures + 1 >= job.max_attempts


def _take_back(job: Job, ending: Ending, now: datetime, guard: Q | None = None) -> Rescued | None:
    try:
        ending = attempts.finish(run_of(job), ending, now=now, guard=guard)
    except ClaimLost:
        return None
    return Rescued(
        job_id=job.id,
        task_id=job.task_id,
        task=job.task,
        state=ending.to,
        error=ending.fault.error_message,
    )


def run_of(job: Job) -> Run:
    """Return the run that a running job's row describes."""
    started = job.started_at
    assert started is not None  # noqa: S101 - the database's constraint
    return Run(
        job_id=job.id,
        task=job.task,
        number=job.attempt,
        started_at=started,
        worker_id=job.worker_id,
        hostname=_hostname(job.worker_id),
        pid=job.pid,
        trigger=job.trigger,
        member=joins.member(job),
    )


def _hostname(worker_id: UUID | None) -> str:
    names = Worker.objects.filter(pk__in=[worker_id]).values_list("hostname", flat=True)
    return names.first() or ""


def _lost(job: Job, why: str, now: datetime) -> Ending:
    if job.cancel_requested_at:
        return Ending(outcome=Outcome.CANCELLED, to=State.CANCELLED)
    if job.crashes + 1 >= settings().poison_limit:
        crashed = f"{why}; its worker died in {job.crashes + 1} attempts, it is not tried again"
        return Ending(outcome=Outcome.LOST, to=State.FAILED, fault=Fault.of(JobPoisoned(crashed)))
    fault = Fault.of(JobLost(why))
    if job.observed or (job.max_attempts is not None and _is_spent(job)):
        return Ending(outcome=Outcome.LOST, to=State.FAILED, fault=fault)
    changes = {"trigger": "rescue"}
    return Ending(
        outcome=Outcome.LOST, to=State.SCHEDULED, fault=fault, available_at=now, changes=changes
    )
