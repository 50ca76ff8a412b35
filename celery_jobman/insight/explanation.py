"""Explanation: why a job stands where it stands, in one sentence, as far as rows can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.conf import settings
from celery_jobman.core.schedule import REFUSED_DELAY, UNKNOWN_TASK, UNSENDABLE
from celery_jobman.insight import workflows
from celery_jobman.insight.troubles import troubles
from celery_jobman.insight.turn import command, lack, turn
from celery_jobman.insight.wording import ago, at, error, lasting, short
from celery_jobman.insight.workforce import Workforce
from celery_jobman.models import Attempt, Job, Outcome, Worker
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime

#: What an attempt's outcome says of the one that follows it.
_NEXT = {
    Outcome.FAILED: gettext_lazy(
        "Attempt %(number)s failed; the next begins %(when)s, at %(moment)s."
    ),
    Outcome.TIMED_OUT: gettext_lazy(
        "Attempt %(number)s ran out of time; the next begins %(when)s, at %(moment)s."
    ),
    Outcome.LOST: gettext_lazy(
        "Attempt %(number)s was lost with its worker; the next begins %(when)s, at %(moment)s."
    ),
    Outcome.RELEASED: gettext_lazy(
        "Attempt %(number)s put the job back; the next begins %(when)s, at %(moment)s."
    ),
    Outcome.INTERRUPTED: gettext_lazy(
        "Attempt %(number)s was interrupted, because its worker was stopping; the next begins"
        " %(when)s, at %(moment)s."
    ),
    Outcome.CANCELLED: gettext_lazy(
        "Attempt %(number)s was cancelled; the next begins %(when)s, at %(moment)s."
    ),
    Outcome.SUCCEEDED: gettext_lazy(
        "Attempt %(number)s succeeded; the next begins %(when)s, at %(moment)s."
    ),
}


def why(job: Job, now: datetime, *, with_errors: bool = True) -> str:
    """Return a sentence on where a job stands and what it waits for, and on its troubles.

    Args:
        job: The job.
        now: Aware datetime to tell times by.
        with_errors: False: leave out what the errors of its troubles said.
    """
    sentence = _SENTENCES[State(job.state)](job, now)
    return f"{sentence} {troubles(job.pk, now, with_errors=with_errors)}".rstrip()


def _scheduled(job: Job, now: datetime) -> str:
    due = job.available_at or now
    if is_of_an_unknown_task(job):
        return _unknown(job, due, now)
    if job.dispatch_error.startswith(UNSENDABLE):
        return _("It is due, but there is no message of it that could be sent.")
    if job.dispatch_error:
        return _refused(job, due, now)
    if due > now:
        return _for_later(job, due, now)
    late = {"time": short(now - due)}
    if not Workforce.now().workers:
        return (
            _(
                "It has been due for %(time)s, but no worker is alive to send and run it;"
                " start one, or send it with `jobman dispatch`."
            )
            % late
        )
    return _("It has been due for %(time)s; a worker sends it within a second or two.") % late


def waits_for_the_broker(job: Job) -> bool:
    """Return whether a job waits because a broker did not take its message, and said why."""
    others = (UNKNOWN_TASK, UNSENDABLE)
    return bool(job.dispatch_error) and not job.dispatch_error.startswith(others)


def is_of_an_unknown_task(job: Job) -> bool:
    """Return whether a job waits because a worker that took it did not know its task."""
    return job.dispatch_error.startswith(UNKNOWN_TASK)


def _unknown(job: Job, due: datetime, now: datetime) -> str:
    values = {"task": job.task, "ago": ago(job.refused_at or now, now), "when": ago(due, now)}
    text = _(
        "The worker that took it (%(ago)s) does not know the task `%(task)s`; it is offered again"
        " %(when)s. Deploy the code that has the task, or cancel the job."
    )
    return text % values


def _refused(job: Job, due: datetime, now: datetime) -> str:
    """Return the sentence about a job whose message the broker did not take."""
    since = job.refused_at or due - REFUSED_DELAY
    values = {"moment": at(since), "ago": ago(since, now), "error": job.dispatch_error}
    if not Workforce.now().workers:
        text = _(
            "It waits for the broker, which has not taken its message since %(moment)s (%(ago)s),"
            " and no worker is alive to ask it again; the last error: %(error)s."
        )
    else:
        text = _(
            "It waits for the broker, which has not taken its message since %(moment)s (%(ago)s)"
            " and is asked again every few seconds; the last error: %(error)s."
        )
    return text % values


def _for_later(job: Job, due: datetime, now: datetime) -> str:
    """Return the sentence about a job that waits for its time."""
    when = {"when": ago(due, now), "moment": at(due)}
    last = Attempt.objects.filter(job_id=job.pk).order_by("-number").first()
    if last is None or job.trigger == "operator":
        return _("It is scheduled and begins %(when)s, at %(moment)s.") % when
    return str(_NEXT[Outcome(last.outcome)]) % {"number": last.number, **when}


def _blocked(job: Job, now: datetime) -> str:
    if known := workflows.waits(job):
        return known
    values = {"parent": job.parent_id, "when": ago(job.created_at, now)}
    if job.parent_id:
        return _("It has waited for another job (%(parent)s) since %(when)s.") % values
    return _("It has waited for another job since %(when)s.") % values


def _queued(job: Job, now: datetime) -> str:
    return lack(job.queue, Workforce.now()) or turn(job, now)


def _running(job: Job, now: datetime) -> str:
    worker = Worker.objects.filter(pk=job.worker_id).first() if job.worker_id else None
    workforce = Workforce.now() if worker else None
    if worker and workforce and not workforce.has(worker):
        return _orphaned(worker, workforce, now)
    if job.cancel_requested_at:
        return _stopping(job, now)
    if worker and 2 * settings().heartbeat < now - worker.seen_at < settings().worker_lost_after:
        return _silent(worker, now)
    return _busy(job, worker, now)


def _orphaned(worker: Worker, workforce: Workforce, now: datetime) -> str:
    values = {"worker": worker.hostname, "when": ago(worker.seen_at, now), "command": command()}
    if workforce.workers:
        text = _(
            "It was running on %(worker)s, which was last seen %(when)s; a live worker takes it"
            " back, or `jobman rescue` does."
        )
    else:
        text = _(
            "It was running on %(worker)s, which was last seen %(when)s; no worker is alive to"
            " take it back: start one (%(command)s), or run `jobman rescue`."
        )
    return text % values


def _silent(worker: Worker, now: datetime) -> str:
    patience = worker.seen_at + settings().worker_lost_after - now
    text = _(
        "It is running on %(worker)s, which was last seen %(when)s; if that stays silent, the job"
        " is taken back in %(time)s."
    )
    when = ago(worker.seen_at, now)
    return text % {"worker": worker.hostname, "when": when, "time": short(patience)}


def _busy(job: Job, worker: Worker | None, now: datetime) -> str:
    values = {
        "worker": worker.hostname if worker else "",
        "time": lasting(now - job.started_at) if job.started_at else _("an unknown time"),
        "step": job.current_step,
    }
    if worker and job.current_step:
        text = _("It has been running on %(worker)s for %(time)s, in step %(step)s.")
    elif worker:
        text = _("It has been running on %(worker)s for %(time)s.")
    elif job.current_step:
        text = _("It has been running for %(time)s, in step %(step)s.")
    else:
        text = _("It has been running for %(time)s.")
    return text % values


def _stopping(job: Job, now: datetime) -> str:
    asked = job.cancel_requested_at or now
    patience = asked + settings().cancel_grace - now
    values = {"when": ago(asked, now), "time": short(patience)}
    if job.cancel_forced or patience.total_seconds() <= 0:
        return _("It was asked to stop %(when)s; it is being stopped by force.") % values
    text = _(
        "It was asked to stop %(when)s; it stops at its next checkpoint, or by force in %(time)s."
    )
    return text % values


def _succeeded(job: Job, now: datetime) -> str:
    values = {"code": job.completed_code, "when": _ended(job, now)}
    if job.completed_code:
        return _("It succeeded %(when)s (%(code)s).") % values
    return _("It succeeded %(when)s.") % values


def _failed(job: Job, now: datetime) -> str:
    values = {
        "number": job.attempt,
        "most": job.max_attempts,
        "when": _ended(job, now),
        "error": error(job.error_class, job.error_message),
    }
    if job.max_attempts:
        return _("Attempt %(number)s of %(most)s failed %(when)s: %(error)s") % values
    return _("Attempt %(number)s failed %(when)s: %(error)s") % values


def _cancelled(job: Job, now: datetime) -> str:
    values = {"when": _ended(job, now), "reason": job.error_message}
    if job.error_message and not job.cancel_requested_at:
        return _("It was cancelled %(when)s, because %(reason)s.") % values
    return workflows.cancelled(job, now) or _("It was cancelled %(when)s.") % values


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
    State.SKIPPED: workflows.skipped,
}
