"""Outcomes: what the end of a body means for the job, and what Celery is told about it.

:func:`judge` has one rule for each kind of exception that can leave a task's body.
"""

from __future__ import annotations

import logging
import signal
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import singledispatch
from inspect import signature
from typing import TYPE_CHECKING, Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import Ignore, MaxRetriesExceededError, Reject, Retry
from django.utils import timezone

from celery_jobman.conf import settings
from celery_jobman.core import passing
from celery_jobman.core.attempts import is_ours
from celery_jobman.core.encoding import clean
from celery_jobman.core.endings import Ending, delay_of
from celery_jobman.core.faults import Fault
from celery_jobman.exceptions import (
    ClaimLost,
    JobCancelled,
    JobFailed,
    JobGivenUp,
    JobInterrupted,
    JobmanError,
    JobReleased,
    JobSkipped,
)
from celery_jobman.models import Job, Outcome, Trigger
from celery_jobman.runtime import limits, returns
from celery_jobman.runtime.running import Completed
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery import Task

    from celery_jobman.core.standins import StandIn
    from celery_jobman.runtime.running import RunningJob

logger = logging.getLogger("celery_jobman")

#: Wait before the next attempt when the task's backoff raises or returns no duration.
FALLBACK_DELAY = timedelta(seconds=60)
#: Exit code of a pool process that was told to stop by SIGTERM (billiard's convention).
TERMINATED = -(256 - signal.SIGTERM)
#: Seconds by which a hard time limit may be noticed early.
SLACK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The job's ending, and what Celery is told."""

    #: None: the attempt lost its claim, and may not write anything.
    ending: Ending | None
    #: Raised to Celery; None: the task returns ``value``.
    error: BaseException | None = None
    value: Any = None


def returned(task: Task, job: RunningJob, value: Any) -> Verdict:
    """Judge a body that returned ``value``."""
    code = "replaced" if job.replaced_by else ""
    if job.stand_in is not None:  # the body went on after ``self.replace``
        return Verdict(ending=_replaced(job.stand_in), error=Ignore("replaced"))
    returns.examine(task, job, value)
    if isinstance(value, Completed):
        value, code = value.value, value.code
    if job.next_attempt is not None:  # self.retry(throw=False)
        return Verdict(ending=_again(job, Outcome.RELEASED, None), value=value)
    changes = {
        "result": _passable(job, returns.encoded(task, job, value)),
        "completed_code": clean(str(code), 64),
        "replaced_by": job.replaced_by,
    }
    return Verdict(ending=_succeeded(**changes), value=value)


def _succeeded(**changes: Any) -> Ending:
    return Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes=changes)


def _replaced(stand_in: StandIn) -> Ending:
    by = stand_in.link_id
    changes = {"completed_code": "replaced", "replaced_by": by, "next_id": by}
    return replace(_succeeded(**changes), stand_in=stand_in)


def _passable(job: RunningJob, result: str | None) -> str | None:
    """Return a result that the next link of a workflow, if it takes it, can be given.

    Raises:
        ResultTooLarge: It is too large for that.
    """
    member = job.run.member
    if result is None or member is None or member.batch_id is None or member.next_id is None:
        return result
    if len(result) > settings().result_limit and passing.takes_result(member.next_id):
        passing.checked(result, job.id)
    return result


@singledispatch
def judge(error: BaseException, task: Task, job: RunningJob) -> Verdict:
    """Judge a body that ``error`` left."""
    outcome = Outcome.TIMED_OUT if isinstance(error, SoftTimeLimitExceeded) else Outcome.FAILED
    return _failure(error, task, job, outcome)


@judge.register(JobCancelled)
def _cancelled(error: JobCancelled, task: Task, job: RunningJob) -> Verdict:
    ending = Ending(outcome=Outcome.CANCELLED, to=State.CANCELLED)
    return Verdict(ending=ending, error=Ignore("cancelled"))


@judge.register(JobInterrupted)
def _interrupted(error: JobInterrupted, task: Task, job: RunningJob) -> Verdict:
    now = timezone.now()
    ending = Ending(outcome=Outcome.INTERRUPTED, to=State.SCHEDULED, available_at=now)
    return Verdict(ending=ending, error=Retry("the worker is stopping"))


@judge.register(ClaimLost)
def _fenced(error: ClaimLost, task: Task, job: RunningJob) -> Verdict:
    if not Job.objects.filter(is_ours(job.id, job.attempt)).exists():
        return Verdict(ending=None, error=Ignore("the job runs elsewhere"))
    return _failure(JobmanError("a checkpoint could not be written"), task, job, Outcome.FAILED)


@judge.register(JobReleased)
def _released(error: JobReleased, task: Task, job: RunningJob) -> Verdict:
    later = timezone.now() + timedelta(seconds=error.delay)
    ending = Ending(outcome=Outcome.RELEASED, to=_waiting(job), available_at=later)
    return Verdict(ending=ending, error=Retry("released", when=error.delay))


@judge.register(JobSkipped)
def _skipped(error: JobSkipped, task: Task, job: RunningJob) -> Verdict:
    code = clean(error.code, 64)
    return Verdict(ending=_succeeded(completed_code=code))


@judge.register(JobGivenUp)
def _given_up(error: JobGivenUp, task: Task, job: RunningJob) -> Verdict:
    shown = JobFailed(error.reason)
    return Verdict(ending=_final(shown, Outcome.FAILED), error=shown)


@judge.register(Retry)
def _retried(error: Retry, task: Task, job: RunningJob) -> Verdict:
    if job.next_attempt is None and getattr(error, "sig", None) is None:
        return _retried_by_hand(error, task, job)
    outcome = Outcome.FAILED if error.exc else Outcome.RELEASED
    return Verdict(ending=_again(job, outcome, error), error=error)


def _retried_by_hand(error: Retry, task: Task, job: RunningJob) -> Verdict:
    """Do for ``raise Retry(when=...)``, which sends nothing, what ``self.retry`` would do.

    So does a ``self.retry`` end whose message an ``apply_async`` of the project did not send.
    """
    retries = (job.request.retries or 0) + 1
    if task.max_retries is not None and retries > task.max_retries:
        over = error.exc or MaxRetriesExceededError(
            f"Can't retry {task.name}[{job.task_id}]: it was retried {retries - 1} times"
        )
        return Verdict(ending=_final(over, Outcome.FAILED), error=over)
    job.next_attempt = {"retries": retries, "available_at": _moment_of(error, task)}
    outcome = Outcome.FAILED if error.exc else Outcome.RELEASED
    ending = _again(job, outcome, error)
    if not job.eager:
        return Verdict(ending=ending, error=error)
    signature = task.signature_from_request(job.request, retries=retries)
    return Verdict(ending=ending, error=Retry(exc=error.exc, is_eager=True, sig=signature))


def _moment_of(error: Retry, task: Task) -> datetime:
    """Return when a retry is to begin, which it says in seconds, as a moment, or not at all."""
    when = task.default_retry_delay if error.when is None else error.when
    if isinstance(when, datetime):
        return when if timezone.is_aware(when) else timezone.make_aware(when)
    return timezone.now() + limits.duration("when", when)


@judge.register(Ignore)
def _ignored(error: Ignore, task: Task, job: RunningJob) -> Verdict:
    if job.stand_in is not None:
        return Verdict(ending=_replaced(job.stand_in), error=error)
    if job.run.member is not None and job.run.member.batch_id is not None:
        return Verdict(ending=_dropped(job), error=error)
    is_replaced = job.handed_on or job.replaced_by is not None
    code = "replaced" if is_replaced else "ignored"
    changes = {"completed_code": code, "replaced_by": job.replaced_by}
    ending = replace(_succeeded(**changes), halts=not is_replaced)
    return Verdict(ending=ending, error=error)


def _dropped(job: RunningJob) -> Ending:
    """Celery does not go on from a member that was ignored; what follows is told so."""
    changes = {"completed_code": "ignored", "replaced_by": job.replaced_by}
    return Ending(outcome=Outcome.CANCELLED, to=State.CANCELLED, changes=changes)


@judge.register(Reject)
def _rejected(error: Reject, task: Task, job: RunningJob) -> Verdict:
    if not error.requeue:
        return Verdict(ending=_final(error, Outcome.FAILED), error=error)
    ending = Ending(
        outcome=Outcome.RELEASED,
        to=_waiting(job),
        available_at=timezone.now(),
        changes={"trigger": Trigger.REQUEUE},
    )
    return Verdict(ending=ending, error=Ignore("requeued by jobman"))


@judge.register(SystemExit)
def _exited(error: SystemExit, task: Task, job: RunningJob) -> Verdict:
    if error.code != TERMINATED:
        return _failure(error, task, job, Outcome.FAILED)
    if _is_over_time(job):  # the main process ends the attempt, and tells Celery
        return Verdict(ending=None, error=error)
    verdict = _interrupted(JobInterrupted(), task, job)
    return Verdict(ending=verdict.ending, error=error)


def _is_over_time(job: RunningJob) -> bool:
    limit = (job.request.timelimit or (None, None))[0]
    if not limit:
        return False
    return time.time() - job.run.started_at.timestamp() >= float(limit) - SLACK


def _failure(error: BaseException, task: Task, job: RunningJob, outcome: Outcome) -> Verdict:
    row = Job.objects.only("failures", "max_attempts", "cancel_requested_at").get(pk=job.id)
    if row.cancel_requested_at is not None:
        return _cancelled(JobCancelled(), task, job)
    final = getattr(task, "fail_on_timeout", False) and outcome == Outcome.TIMED_OUT
    failures = row.failures + 1
    if final or row.max_attempts is None or failures >= row.max_attempts:
        return Verdict(ending=_final(error, outcome), error=error)
    wait = delay(task, failures)
    again = _signature(task, job, error, wait) if job.eager else None
    ending = Ending(
        outcome=outcome,
        to=_waiting(job),
        fault=Fault.of(error),
        available_at=timezone.now() + wait,
        changes={"retries": job.request.retries + 1},
    )
    if not isinstance(error, Exception):
        return Verdict(ending=ending, error=error)
    return Verdict(ending=ending, error=again or Retry(exc=error, when=wait.total_seconds()))


def delay(task: Task, failures: int) -> timedelta:
    """Return the wait before the next attempt, by the task's ``backoff``."""
    try:
        wait = delay_of(_backoff(task, failures), failures)
        return limits.duration("backoff", wait.total_seconds())
    except Exception:
        logger.exception("Backoff of %s is of no use, waiting %s", task.name, FALLBACK_DELAY)
        return FALLBACK_DELAY


def _backoff(task: Task, failures: int) -> Any:
    """Return the task's ``backoff``; a function that was given as an option is no method of it."""
    backoff = task.backoff
    try:
        signature(backoff).bind(failures)
    except TypeError:  # it is none, or is given the task, too
        return getattr(backoff, "__func__", backoff)
    except ValueError:  # a builtin that does not tell
        return backoff
    return backoff


def _signature(task: Task, job: RunningJob, error: BaseException, delay: timedelta) -> Retry:
    """Return the retry that makes Celery's eager mode run the task again at once."""
    signature = task.signature_from_request(job.request, retries=job.request.retries + 1)
    return Retry(exc=error, when=delay.total_seconds(), is_eager=True, sig=signature)


def _final(error: BaseException, outcome: Outcome) -> Ending:
    return Ending(outcome=outcome, to=State.FAILED, fault=Fault.of(error))


def _again(job: RunningJob, outcome: Outcome, error: Retry | None) -> Ending:
    changes = {**_retries(error), **(job.next_attempt or {})}
    available_at = changes.pop("available_at", None) or timezone.now()
    cause = error.exc if error is not None else None
    fault = Fault.of(cause) if isinstance(cause, BaseException) else Fault()
    return Ending(
        outcome=outcome, to=_waiting(job), fault=fault, available_at=available_at, changes=changes
    )


def _retries(error: Retry | None) -> dict[str, Any]:
    """Return what an eager retry, which nothing enqueues, says of the attempt to come."""
    signature = getattr(error, "sig", None)
    return {} if signature is None else {"retries": signature.options["retries"]}


def _waiting(job: RunningJob) -> State:
    """Return where a job waits for its next attempt; an eager one has it at once, here."""
    return State.QUEUED if job.eager else State.SCHEDULED


def hopeless(trouble: Exception) -> Verdict:
    """Judge a body whose end could not be judged: whatever happens, the job must end."""
    return Verdict(ending=_final(trouble, Outcome.FAILED), error=trouble)
