"""Tracking: recording plain Celery tasks, through signals.

These are the ones that match ``JOBMAN["TRACK"]``, and plain copies of tasks that are jobs where
they are called: the task is declared in an app of its own, or is not tracked in this worker's.
Their messages carry our header, and their rows must not stay queued, to be sent again.

A plain task gets a row, its lifecycle, its log and its result.  What needs a decision (a
refused claim, retries by policy, steps, a durable cancel) needs ``JobTask``.  Celery swallows
what its receivers raise; so that nothing is silent, it is logged here.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import current_app, signals, states
from django.utils import timezone

from celery_jobman.conf import settings
from celery_jobman.core import attempts, jobs
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import CLEAN, Fault
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Job, Outcome
from celery_jobman.runtime import (
    capture,
    connection,
    execution,
    keeping,
    losses,
    messages,
    queues,
    supervisor,
)
from celery_jobman.runtime.running import RunningJob, running
from celery_jobman.runtime.task import JobTask, is_recorded
from celery_jobman.states import CLAIMABLE, FINAL, State

if TYPE_CHECKING:
    from celery_jobman.core.endings import Run

logger = logging.getLogger("celery_jobman")

#: Seconds for which a retry of a plain copy waits for the end of the attempt before, and between
#: two looks.
RETRY_PATIENCE = 5.0
RETRY_PAUSE = 0.05

_open: dict[str, tuple[ExitStack, RunningJob]] = {}

#: What Celery's state of an execution means for the attempt and the job.
MEANING = {
    states.SUCCESS: (Outcome.SUCCEEDED, State.SUCCEEDED),
    states.IGNORED: (Outcome.SUCCEEDED, State.SUCCEEDED),
    states.RETRY: (Outcome.FAILED, State.QUEUED),
    states.FAILURE: (Outcome.FAILED, State.FAILED),
    states.REJECTED: (Outcome.FAILED, State.FAILED),
}


def connect() -> None:
    """Connect the receivers."""
    if settings().track:
        signals.before_task_publish.connect(published, dispatch_uid="jobman.tracking")
    signals.task_prerun.connect(begin, dispatch_uid="jobman.tracking")
    signals.task_postrun.connect(end, dispatch_uid="jobman.tracking")
    signals.task_failure.connect(lost, dispatch_uid="jobman.tracking")


def is_tracked(task: Any) -> bool:
    """Whether a task is a plain one whose name matches ``JOBMAN["TRACK"]``."""
    if task is None or isinstance(task, JobTask):
        return False
    return any(fnmatchcase(task.name, pattern) for pattern in settings().track)


def is_copy(task: Any) -> bool:
    """Whether a task that runs is a plain copy of one whose call has made a job."""
    is_ours = messages.header_of(task.request) is not None
    return is_ours and not is_recorded(task, task.request.kwargs)


def published(sender: str, headers: dict[str, Any], body: Any, **facts: Any) -> None:
    """Write the row of a plain task whose message is about to leave."""
    task = current_app.tasks.get(sender)
    if not is_tracked(task) or headers.get("retries") or messages.HEADER in headers:
        return
    try:
        _write(task, headers, body, queues.route_of(facts))
    except Exception:
        logger.exception("Plain task could not be recorded task=%s", sender)


def _write(task: Any, headers: dict[str, Any], body: Any, route: dict[str, Any]) -> None:
    options = {"root_id": headers.get("root_id"), **route}
    job = messages.compose(task, body[0], body[1], headers["id"], options)
    job.observed = True
    with connection.enqueueing():
        jobs.enqueue(job, now=timezone.now())


def begin(task: Any, task_id: str, **_: Any) -> None:
    """Claim the row of a plain task that begins."""
    if is_copy(task):
        claim = _claim_copy
    elif is_tracked(task):
        claim = _claim
    else:
        return
    try:
        with connection.private():
            run = claim(task)
    except Exception:
        logger.exception("Plain task could not be recorded task=%s", task.name)
        return
    if run is not None:
        job, stack = RunningJob(run, task.request), ExitStack()
        stack.enter_context(running(job))
        _open[task_id] = stack, job
        capture.attach()
        if not job.eager:
            supervisor.wake()


def _claim(task: Any) -> Run | None:
    known = Job.objects.filter(task_id=task.request.id).order_by("-id").without_payloads().first()
    if known is None or known.state in FINAL:
        job = messages.from_request(task, task.request)
        job.observed, job.eager = True, bool(task.request.is_eager)
        run = execution.run_of(task, job.id, 1)
        attempts.adopt(job, run)
        return run
    run = execution.run_of(task, known.id, known.attempt + 1)
    return run if attempts.claim(run, known.delivery) else None


def _claim_copy(task: Any) -> Run | None:
    """Claim the row that the message names, by whichever delivery: the body runs in any case."""
    header = messages.header_of(task.request) or {}
    row = _claimable(header["job"], is_retry=bool(task.request.retries))
    if row is None:
        logger.warning("Plain copy of a task runs without its job task=%s", task.name)
        return None
    member = messages.member_of(header, task.name)
    run = execution.run_of(task, row.id, row.attempt + 1, member=member)
    return run if attempts.claim(run, row.delivery) else None


def _claimable(job_id: str, *, is_retry: bool) -> Job | None:
    """Return a job that may be begun.

    A retry of Celery's is sent before the attempt that sends it ends, and may be quicker.
    """
    until = time.monotonic() + (RETRY_PATIENCE if is_retry else 0)
    mine = Job.objects.filter(pk=job_id).without_payloads()
    while True:
        row = mine.first()
        if row is None or row.state in CLAIMABLE:
            return row
        if row.state in FINAL or time.monotonic() >= until:
            return None
        time.sleep(RETRY_PAUSE)


def end(task: Any, task_id: str, state: str | None, retval: Any, **_: Any) -> None:
    """End the attempt of a plain task."""
    stack, job = _open.pop(task_id, (None, None))
    if stack is None or job is None:
        return
    stack.close()
    try:
        with connection.private(), job.lock:
            _finish(job, _ending(task, state, retval))
    except ClaimLost:
        logger.warning("Attempt lost its claim job=%s", job.id)
    except Exception:
        logger.exception("Plain task's end could not be recorded job=%s", job.id)


def lost(sender: Any, task_id: str, exception: Any, **_: Any) -> None:
    """Let the keeper end a plain task whose process died; only the main process learns of it."""
    if isinstance(exception, WorkerLostError | TimeLimitExceeded) and _is_plain(sender):
        why = f"its process died: {exception}"
        loss = losses.Loss(
            task_id=task_id, pid=None, header=None, why=why, error=exception, is_told=True
        )
        keeping.note(partial(losses.settle, loss))


def _is_plain(task: Any) -> bool:
    return not isinstance(task, JobTask) or not task.track


def _finish(job: RunningJob, ending: Ending) -> None:
    attempts.finish(job.run, ending, now=timezone.now(), lines=job.last_lines())


def _ending(task: Any, state: str | None, retval: Any) -> Ending:
    outcome, to = MEANING.get(state or "", (Outcome.INTERRUPTED, State.FAILED))
    cause = getattr(retval, "exc", None) or retval
    fault = Fault.of(cause) if isinstance(cause, BaseException) else CLEAN
    changes = {"result": _result(task, retval)} if state == states.SUCCESS else {}
    return Ending(outcome=outcome, to=to, fault=fault, changes=changes)


def _result(task: Any, value: Any) -> str | None:
    try:
        return messages.encode(value, f"the result of {task.name}")
    except TypeError:
        return None
