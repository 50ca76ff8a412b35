"""Explanation: why a job stands where it stands, in one sentence, as far as rows can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.conf import settings
from celery_jobman.management.wording import ago, at, counted, error, lasting, listed, short
from celery_jobman.management.workforce import Workforce, hire
from celery_jobman.models import Attempt, Job, Outcome, Worker
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime

#: What an attempt's outcome says of the one that follows it.
_AFTER = {
    Outcome.FAILED: "Attempt {number} failed",
    Outcome.TIMED_OUT: "Attempt {number} ran out of time",
    Outcome.LOST: "Attempt {number} was lost with its worker",
    Outcome.RELEASED: "Attempt {number} put the job back",
    Outcome.INTERRUPTED: "Attempt {number} was interrupted, because its worker was stopping",
    Outcome.CANCELLED: "Attempt {number} was cancelled",
    Outcome.SUCCEEDED: "Attempt {number} succeeded",
}


def why(job: Job, now: datetime) -> str:
    """Return one sentence on where a job stands and what it waits for."""
    return _SENTENCES[State(job.state)](job, now)


def _scheduled(job: Job, now: datetime) -> str:
    due = job.available_at or now
    if job.dispatch_error:
        return f"It waits for the broker, which did not take its message: {job.dispatch_error}."
    if due > now:
        return f"{_history(job)} begins {ago(due, now)}, at {at(due)}."
    if not Workforce.now().workers:
        return (
            f"It has been due for {short(now - due)}, but no worker is alive to send and run it;"
            " start one, or send it with `jobman dispatch`."
        )
    return f"It has been due for {short(now - due)}; a worker sends it within a second or two."


def _history(job: Job) -> str:
    """Begin the sentence about a job that waits for its time."""
    last = Attempt.objects.filter(job_id=job.pk).order_by("-number").first()
    if last is None or job.trigger == "operator":
        return "It is scheduled and"
    return _AFTER[Outcome(last.outcome)].format(number=last.number) + "; the next"


def _blocked(job: Job, now: datetime) -> str:
    after = f" ({job.parent_id})" if job.parent_id else ""
    return f"It has waited for another job{after} since {ago(job.created_at, now)}."


def _queued(job: Job, now: datetime) -> str:
    return lack(job.queue, Workforce.now()) or _turn(job, now)


def lack(queue: str, workforce: Workforce) -> str:
    """Return a sentence if nobody would take a job from this queue; empty otherwise."""
    if not workforce.workers:
        return f"No worker is alive to take it; start one: {hire()}"
    if not workforce.consuming(queue).workers:
        return (
            f"No live worker consumes its queue {queue!r} (they consume"
            f" {listed(workforce.queues)}); start one: {hire(queue)}"
        )
    return ""


def _turn(job: Job, now: datetime) -> str:
    takers = Workforce.now().consuming(job.queue)
    since = job.queued_at or job.created_at
    ahead = Job.objects.filter(state=State.QUEUED, queue=job.queue, queued_at__lt=since).count()
    return (
        f"It has been queued for {short(now - since)}, with {counted(ahead, 'job')} before it in"
        f" {job.queue!r}; its workers run {takers.busy()} of at most"
        f" {counted(takers.processes, 'job')}."
    )


def _running(job: Job, now: datetime) -> str:
    worker = Worker.objects.filter(pk=job.worker_id).first() if job.worker_id else None
    place = f" on {worker.hostname}" if worker else ""
    if worker and not Workforce.now().has(worker):
        return (
            f"It was running{place}, which was last seen {ago(worker.seen_at, now)}; a live"
            " worker takes it back, or `jobman rescue` does."
        )
    if job.cancel_requested_at:
        return _stopping(job, now)
    since = lasting(now - job.started_at) if job.started_at else "an unknown time"
    step = f", in step {job.current_step}" if job.current_step else ""
    return f"It has been running{place} for {since}{step}."


def _stopping(job: Job, now: datetime) -> str:
    asked = job.cancel_requested_at or now
    patience = asked + settings().cancel_grace - now
    if job.cancel_forced or patience.total_seconds() <= 0:
        how = "it is being stopped by force"
    else:
        how = f"it stops at its next checkpoint, or by force in {short(patience)}"
    return f"It was asked to stop {ago(asked, now)}; {how}."


def _succeeded(job: Job, now: datetime) -> str:
    code = f" with {job.completed_code!r}" if job.completed_code else ""
    return f"It succeeded{code} {_ended(job, now)}."


def _failed(job: Job, now: datetime) -> str:
    allowed = f" of {job.max_attempts}" if job.max_attempts else ""
    cause = error(job.error_class, job.error_message)
    return f"Attempt {job.attempt}{allowed} failed {_ended(job, now)}: {cause}"


def _cancelled(job: Job, now: datetime) -> str:
    reason = f", because {job.error_message}" if not job.cancel_requested_at else ""
    return f"It was cancelled {_ended(job, now)}{reason if job.error_message else ''}."


def _skipped(job: Job, now: datetime) -> str:
    return f"It was skipped {_ended(job, now)}: what it waited for failed or was cancelled."


def _ended(job: Job, now: datetime) -> str:
    return ago(job.finished_at or now, now)


_SENTENCES = {
    State.SCHEDULED: _scheduled,
    State.BLOCKED: _blocked,
    State.QUEUED: _queued,
    State.RUNNING: _running,
    State.SUCCEEDED: _succeeded,
    State.FAILED: _failed,
    State.CANCELLED: _cancelled,
    State.SKIPPED: _skipped,
}
