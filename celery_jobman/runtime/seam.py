"""The seam: one attempt around everything that Celery does with a message.

:func:`trace` stands where Celery's tracer is called in a worker.  The job is claimed there, before
STARTED is stored and before any code of the project.  A message that is refused leaves no trace: no
state in the result backend, no signal, no hook.

An attempt's end is written by the outermost ``__call__`` of the task, whoever wrote it, after
``on_success``: then the row says how the job ended before Celery stores its result, and Celery is
told what was decided, such as a retry in place of an exception.  ``before_start`` ends the attempt
in the same way when it raises.  What fails elsewhere between claim and result (storing STARTED, a
loader's hook) is known by what the tracer returns; Celery has told it as final, so it is final.

In Celery's eager mode there is no such tracer, and the first of these methods claims the job.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import states
from celery._state import _task_stack
from celery.app.task import Context
from celery.app.trace import TraceInfo, trace_ok_t
from celery.exceptions import Ignore, Retry, TaskPredicate
from django.utils import timezone

from celery_jobman.core import moments, troubles
from celery_jobman.core.faults import named
from celery_jobman.exceptions import ControlFlow, ResultRefused
from celery_jobman.models import Duty
from celery_jobman.runtime import (
    broker,
    canvas,
    connection,
    execution,
    identity,
    mapping,
    outcomes,
    results,
    settling,
    supervisor,
)
from celery_jobman.runtime.entrances import is_guarded
from celery_jobman.runtime.running import running
from celery_jobman.runtime.task import MAPS, is_recorded
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Task

    from celery_jobman.runtime.outcomes import Verdict
    from celery_jobman.runtime.running import RunningJob

logger = logging.getLogger("celery_jobman")

#: Attribute of a request that leads to the attempt that was begun for it.
ATTEMPT = "jobman_attempt"
#: What the claim may set on a request.
_CLAIMED = ("headers", "eta", "delivery_info")


class OpenAttempt:
    """An attempt, as long as Celery is at work on its message."""

    def __init__(self, job: RunningJob) -> None:
        self.job = job
        self.is_preparing = False
        self.is_entered = False
        #: The task's own function was called.
        self.is_run = False
        self.is_celebrated = False
        self.has_ended = False
        #: Where the job went; None if this attempt had no say in it.
        self.to: State | None = None
        #: Decided by ``before_start``: there is nothing left to run.
        self.verdict: Verdict | None = None
        self._running = ExitStack()
        self._running.enter_context(running(job))
        if not job.eager:
            supervisor.wake()  # now that it finds the job: it sleeps where there is none

    def __reduce__(self) -> tuple[Any, ...]:
        """A request may be copied or pickled: the attempt stays where it is."""
        return type(None), ()

    def join(self, request: Context) -> None:
        """Go on with the request that Celery's tracer has made of the message."""
        if request is not self.job.request:
            for name in _CLAIMED:
                setattr(request, name, getattr(self.job.request, name))
            self.job.request = request

    def leave(self) -> None:
        """Be no longer the job that runs here."""
        self._running.close()


def open_attempt(task: Task) -> OpenAttempt | None:
    """Return the attempt that was begun for the task's request."""
    found: OpenAttempt | None = getattr(task.request, ATTEMPT, None)
    return found


def trace(
    task: Task, tracer: Callable[..., Any], uuid: str, args: Any, kwargs: Any, request: Any
) -> Any:
    """Let Celery's tracer execute a message inside an attempt of its job.

    Returns:
        What the tracer returned; of a message that is dropped, what it returns of ``Ignore``.
    """
    try:
        with _requested(task, Context(request, args=args, kwargs=kwargs, called_directly=False)):
            job = execution.begin(task)
    except Ignore as refusal:
        return _ignored(refusal)
    except Exception:  # noqa: BLE001 - the body's claim meets it again, and Celery is told
        return tracer(uuid, args, kwargs, request)
    attempt = OpenAttempt(job)
    try:
        traced = tracer(uuid, args, kwargs, {**request, ATTEMPT: attempt})
    except BaseException as error:
        _conclude(task, attempt, error)
        if isinstance(error, ControlFlow):
            return _ignored(Ignore(named(error)))
        raise
    else:
        _conclude(task, attempt, *_told(traced[1]))
        return traced
    finally:
        attempt.leave()


def _ignored(error: Ignore) -> trace_ok_t:
    try:
        raise error
    except Ignore:
        return trace_ok_t(ExceptionInfo(internal=True), TraceInfo(states.IGNORED, error), 0.0, None)


@contextmanager
def _requested(task: Task, request: Context) -> Iterator[None]:
    """Let the task be Celery's current one during the claim, as it is in its tracer."""
    _task_stack.push(task)
    task.request_stack.push(request)
    try:
        yield
    finally:
        task.request_stack.pop()
        _task_stack.pop()


def _told(info: TraceInfo | None) -> tuple[BaseException | None, str]:
    """Return the exception that the tracer met, and the state that it has told."""
    return (None, states.SUCCESS) if info is None else (info.retval, info.state)


def prepare(task: Task, hook: Callable[[], Any]) -> Any:
    """Call a task's ``before_start``; what it raises ends the attempt."""
    attempt = _opened(task)
    if attempt is None or attempt.is_preparing or attempt.has_ended:
        return hook()
    attempt.is_preparing = True
    attempt.join(task.request)
    try:
        with execution.body(attempt.job):
            return hook()
    except BaseException as error:  # noqa: BLE001 - control flow must not reach Celery
        verdict = execution.judge(error, task, attempt.job)
    if verdict.error is None and verdict.ending is not None:  # it was skipped
        attempt.verdict = verdict
        return None
    return _leave(task, attempt, verdict)


def enter(task: Task, call: Callable[[], Any]) -> Any:
    """Run one attempt of the job that ``task.request`` carries.

    Returns:
        What the task returned.

    Raises:
        celery.exceptions.Ignore: The message is stale or a duplicate, or the job was
            cancelled; Celery acknowledges the message and does nothing.
        celery.exceptions.Retry: The job will run again; its row says when.
        Exception: The job failed for good with this.
    """
    attempt = _opened(task)
    if attempt is None or attempt.is_entered or attempt.has_ended:
        return call()
    attempt.is_entered = True
    attempt.join(task.request)
    verdict = attempt.verdict or _run(task, attempt.job, call)
    if _is_success(verdict) and is_guarded(task.on_success):
        verdict = _celebrated(task, attempt, verdict)
    return _leave(task, attempt, verdict)


def _opened(task: Task) -> OpenAttempt | None:
    """Return the attempt of a request; in eager mode it begins here. None: it is no job's."""
    attempt = open_attempt(task)
    if attempt is None and is_recorded(task, task.request.kwargs):
        attempt = OpenAttempt(execution.begin(task))
        setattr(task.request, ATTEMPT, attempt)
    return attempt


def run(task: Task, args: Any, kwargs: Any, again: Callable[..., Any]) -> Any:
    """Call the task's function, once for each attempt; ``again`` is what Celery would do."""
    attempt = open_attempt(task)
    if attempt is None or attempt.is_run or attempt.has_ended:
        return again(*args, **kwargs)
    attempt.is_run = True
    return (
        mapping.run(task, attempt.job, kwargs) if task.name in MAPS else task.run(*args, **kwargs)
    )


def _run(task: Task, job: RunningJob, call: Callable[[], Any]) -> Verdict:
    try:
        with execution.body(job):
            moments.reached("before body")
            value = call()
        return outcomes.returned(task, job, value)
    except BaseException as error:  # noqa: BLE001 - control flow must not reach Celery
        return execution.judge(error, task, job)


def _celebrated(task: Task, attempt: OpenAttempt, verdict: Verdict) -> Verdict:
    """Call ``on_success`` before the end is written, for what it raises is the end."""
    job = attempt.job
    try:
        with execution.body(job):
            task.on_success(verdict.value, job.task_id, job.request.args, job.request.kwargs)
    except BaseException as error:  # noqa: BLE001 - control flow must not reach Celery
        return execution.judge(error, task, job)
    attempt.is_celebrated = True
    return verdict


def _is_success(verdict: Verdict) -> bool:
    is_over = verdict.ending is not None and verdict.ending.to == State.SUCCEEDED
    return is_over and verdict.error is None


def celebrate(task: Task, hook: Callable[[], Any]) -> Any:
    """Call a task's ``on_success``, unless that was done before the attempt's end was written."""
    attempt = open_attempt(task)
    if attempt is not None and attempt.is_celebrated:
        return None
    return hook()


def _leave(task: Task, attempt: OpenAttempt, verdict: Verdict) -> Any:
    """End an attempt; return or raise what Celery is to know."""
    job = attempt.job
    _settle(task, attempt, verdict)
    if attempt.to == State.CANCELLED:
        results.revoke(task, job.request)
        raise Ignore("cancelled")
    if attempt.to == State.FAILED and verdict.error is None:
        raise ResultRefused(job.id)
    if attempt.to == State.SCHEDULED and not job.eager:
        broker.send_if_due(job.id)
    if verdict.error is not None:
        raise _speakable(verdict.error, attempt)
    return verdict.value


def _settle(task: Task, attempt: OpenAttempt, verdict: Verdict) -> None:
    job = attempt.job
    try:
        following = canvas.following(task, job, verdict) if attempt.is_entered else None
        if verdict.ending is not None:
            attempt.to = settling.settle(job, verdict.ending, following)
    finally:
        attempt.has_ended = True
        attempt.leave()


def _speakable(error: BaseException, attempt: OpenAttempt) -> BaseException:
    """Return what to raise for an error that ends a process, so that Celery is told of it.

    A pool process ends, as ever.  Other pools have none to end, and lose what is no ``Exception``.
    """
    if isinstance(error, Exception) or attempt.job.eager:
        return error
    lost: Exception = WorkerLostError(f"the task's body raised {named(error)}")
    me = identity.current()
    if me is None or me.pool == "prefork":
        if attempt.to == State.FAILED:
            results.failed(attempt.job.id, lost)
        return error
    told: Exception = lost if attempt.to == State.FAILED else Retry(exc=lost)
    return told


def _conclude(
    task: Task, attempt: OpenAttempt, error: BaseException | None, told: str = states.FAILURE
) -> None:
    """See to it that an attempt has ended when Celery is done with its message.

    Args:
        task: The task.
        attempt: The attempt.
        error: What Celery's tracer met outside of the guarded methods; None: it knew the result.
        told: The state that Celery has told, or is about to.
    """
    if attempt.has_ended:
        if isinstance(error, Exception) and told == states.FAILURE:
            _note_contradiction(attempt, error)
        return
    verdict = _verdict_outside(task, attempt.job, error, told)
    with suppress(Ignore):
        _settle(task, attempt, verdict)
        if attempt.to == State.SCHEDULED:
            broker.send_if_due(attempt.job.id)
        if attempt.to == State.FAILED and not isinstance(verdict.error, Exception | None):
            results.failed(attempt.job.id, WorkerLostError(named(verdict.error)))


def _verdict_outside(
    task: Task, job: RunningJob, error: BaseException | None, told: str
) -> Verdict:
    if error is None:
        return outcomes.returned(task, job, None)
    is_final = told == states.FAILURE and not isinstance(error, TaskPredicate)
    if is_final and isinstance(error, Exception):
        return outcomes.hopeless(error)
    return execution.judge(error, task, job)


def _note_contradiction(attempt: OpenAttempt, error: Exception) -> None:
    """Let a job's page say that Celery tells of a failure after the attempt's end was written."""
    job = attempt.job
    if attempt.to != State.SUCCEEDED:  # that it will run again is told with its last attempt
        return
    text = f"Celery tells of a failure after the job had {attempt.to}: {named(error)}"
    logger.error("%s job=%s", text, job.id)
    with suppress(Exception), connection.private():
        troubles.remark(Duty.END, job.id, text, now=timezone.now())
