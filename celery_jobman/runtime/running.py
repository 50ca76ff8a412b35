"""The running job: what a task's body, at any depth, can ask and say about its own job."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Lock, get_ident, local, main_thread
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded, TaskPredicate
from django.db import connections, transaction

from celery_jobman.core import attempts
from celery_jobman.core.progress import Progress
from celery_jobman.core.steps import StepRunner
from celery_jobman.exceptions import (
    ClaimLost,
    ControlFlow,
    JobCancelled,
    JobGivenUp,
    JobInterrupted,
    JobReleased,
    JobSkipped,
    NotInAJob,
)
from celery_jobman.models import Job
from celery_jobman.models.database import home
from celery_jobman.runtime import flushing, identity, limits
from celery_jobman.runtime.connection import OUTAGE, private, renewed, through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.endings import Run
    from celery_jobman.core.iterations import Iteration
    from celery_jobman.core.logs import Line
    from celery_jobman.core.standins import StandIn

#: What says something of the job, and nothing of the item at which it is raised.
PASSING = (SoftTimeLimitExceeded, TaskPredicate)
#: Seconds without news from the database after which a checkpoint asks it itself.
NEWS_OLD_AFTER = 10.0

_current: ContextVar[RunningJob | None] = ContextVar("jobman_job", default=None)
_active: dict[int, RunningJob] = {}
_thread = local()


class Completed:
    """What ``self.complete(value, code)`` returns: a result with its business outcome."""

    def __init__(self, value: Any, code: str) -> None:
        self.value = value
        self.code = code


class RunningJob:
    """One attempt of one job, seen from inside its task."""

    def __init__(self, run: Run, request: Any) -> None:
        self.run = run
        self.request = request
        self.eager = bool(request.is_eager)
        self.report: Progress | None = None
        self.lines: deque[Line] = deque()
        self.unsure = 0
        self.lines_seen = 0
        self.lines_dropped = 0
        self.lock = Lock()
        self.in_body = False
        #: Its end is being written, by a transaction that is ours.
        self.is_ending = False
        self.stop: type[ControlFlow] | None = None
        self.forced = False
        #: Columns that a ``self.retry`` asked to change; set once it was called.
        self.next_attempt: dict[str, Any] | None = None
        self.replaced_by: UUID | None = None
        #: What ``self.complete`` gave last; it counts if it is returned.
        self.completion: Completed | None = None
        #: What its page is to say of its end.
        self.remarks: list[str] = []
        #: What waits for it was given to a call that stands for it (``self.replace``).
        self.handed_on = False
        #: What takes its place in a durable workflow, by the same verb.
        self.stand_in: StandIn | None = None
        self.thread = get_ident()
        self.news_at = time.monotonic()
        self.cancel_requested_at: datetime | None = None
        self.injected = False
        #: What the supervisor wrote last, and the connection that the body uses.
        self.reported: tuple[Progress | None, str] = (None, "")
        self.connection = connections[home()]
        self.flushed_at = time.monotonic()
        #: How deep the body is in statements of ours, which no stop may break.
        self.guarded = 0
        self.runner = StepRunner(run.job_id, run.number, self.checkpoint, self._through, PASSING)

    @property
    def id(self) -> UUID:
        """The job's id."""
        return self.run.job_id

    @property
    def task_id(self) -> str:
        """Celery's id of the message."""
        return str(self.request.id)

    @property
    def task(self) -> str:
        """The task's name."""
        return self.run.task

    @property
    def attempt(self) -> int:
        """The number of this attempt, counted from 1."""
        return self.run.number

    @property
    def row(self) -> Job:
        """The job's row, read now."""
        with private():
            return Job.objects.get(pk=self.id)

    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a step once; see :meth:`celery_jobman.core.steps.StepRunner.run`."""
        return self.runner.run(name, fn, *args, **kwargs)

    def atomic_step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a step once, in one transaction with its checkpoint; see :func:`atomic_step`."""
        return self.runner.run(name, _bound(fn, args, kwargs), atomic=True)

    def iterate(self, name: str, source: Any, **options: Any) -> Iteration:
        """Loop resumably; see :class:`celery_jobman.core.iterations.Iteration`."""
        return self.runner.iterate(name, source, report=self._reported, **options)

    def progress(
        self, current: int, total: int | None = None, message: str = "", unit: str = ""
    ) -> None:
        """Say how far the job is.

        Stored a few times a second at most; the last report is never lost, but what a step
        reported is forgotten when another step begins.  Also a checkpoint: a cancel or an
        interrupt takes effect here.

        Args:
            current: How much is done, in any unit.
            total: How much there is; None when nobody knows.
            message: What is going on, at most 200 characters.
            unit: What is counted, such as ``"rows"``, at most 32 characters.

        Raises:
            TypeError: ``current`` or ``total`` is no number.  Nothing was reported.
        """
        report = Progress.of(current, total, message, unit)
        self.report = report._replace(step=self.runner.around)
        self.checkpoint()

    def _reported(self, report: Progress) -> None:
        self.report = report

    def last_lines(self) -> tuple[Line, ...]:
        """Return the lines that are still to be written, with the end of the attempt."""
        flushing.forget_written(self)
        return tuple(self.lines)

    def checkpoint(self) -> None:
        """Let a cancel, an interrupt or a lost claim take effect here.

        Raises:
            ControlFlow: One of its subclasses, when the body must stop.  It derives from
                ``BaseException`` and is turned into an orderly end by the task class.
        """
        if time.monotonic() - self.news_at > NEWS_OLD_AFTER:
            self.ask()
        if self.eager or (self.lines and self.connection.vendor == "sqlite"):
            flushing.flush_if_due(self)
        if self.stop is not None:
            raise self.stop
        if identity.is_stopping() and not self.eager:
            raise JobInterrupted

    def ask(self) -> None:
        """Read from the database whether this attempt shall go on."""
        try:
            with private(), renewed():
                requested, self.forced = attempts.cancel_requested(self.id, self.attempt)
        except ClaimLost:
            self.stop = ClaimLost
        except OUTAGE:
            pass  # no news; the next checkpoints must not all try to connect
        else:
            self.cancel_requested_at = requested
            if requested is not None:
                self.stop = self.stop or JobCancelled
        self.news_at = time.monotonic()

    def _through(self, call: Callable[[], Any]) -> Any:
        """Make a call of ours to the database; a checkpoint follows, where a stop takes effect."""
        self.guarded += 1
        try:
            return through(call)
        finally:
            self.guarded -= 1

    def release(self, delay: float = 0.0) -> None:
        """Put the job back, to run again in ``delay`` seconds; counts as no failure."""
        raise JobReleased(limits.duration("delay", delay).total_seconds())

    def skip(self, code: str = "skipped") -> None:
        """End the job as succeeded, with this completed code; a chain goes on."""
        raise JobSkipped(str(code))

    def fail(self, reason: str) -> None:
        """End the job as failed, for good."""
        raise JobGivenUp(str(reason))

    def complete(self, value: Any = None, code: str = "success") -> Completed:
        """Return this from the task: its result, and a business outcome beside it."""
        self.completion = Completed(value, code)
        return self.completion


@contextmanager
def running(job: RunningJob) -> Iterator[RunningJob]:
    """Make ``job`` the current one of this thread, and of helper threads without any."""
    disown_thread()  # what it does between two jobs is no job's doing
    token = _current.set(job)
    _active[id(job)] = job
    try:
        yield job
    finally:
        del _active[id(job)]
        _current.reset(token)


@contextmanager
def ending(job: RunningJob) -> Iterator[None]:
    """Speak for a job whose end is being written, in whichever thread that is."""
    token = _current.set(job)
    job.is_ending = True
    try:
        yield
    finally:
        job.is_ending = False
        _current.reset(token)


def active() -> list[RunningJob]:
    """Return the jobs that run in this process."""
    return list(_active.values())


def current_job() -> RunningJob | None:
    """Return the job that runs here, from any depth of code; None outside jobs.

    A thread that the task started itself knows no current job.  It is given the only one
    that runs in this process, if there is only one (and a worker runs it: in a web process
    the other threads belong to other people).
    """
    job = _current.get()
    if job is None and len(_active) == 1:
        only = next(iter(_active.values()), None)
        return only if only is not None and _may_be_its_thread(only) else None
    return job


def _may_be_its_thread(job: RunningJob) -> bool:
    """Whether a thread without a job can have been started by this one's body."""
    if job.eager or getattr(_thread, "serves_all", False):
        return False
    here = get_ident()
    return here == job.thread or here != main_thread().ident


def disown_thread() -> None:
    """Never take what this thread does for the doing of a job: it serves all of them."""
    _thread.serves_all = True


def required_job(what: str) -> RunningJob:
    """Return the current job.

    Raises:
        NotInAJob: There is none; ``what`` names the function that was called.
    """
    job = current_job()
    if job is None:
        raise NotInAJob(what)
    return job


def complete(request: Any, value: Any, code: str) -> Completed:
    """Return a result with its outcome; the job whose message carries ``request`` remembers it."""
    job = current_job()
    if job is not None and job.request is request:
        return job.complete(value, code)
    return Completed(value, code)


def progress(current: int, total: int | None = None, message: str = "", unit: str = "") -> None:
    """Report the current job's progress; outside a job, do nothing.

    See :meth:`RunningJob.progress`.
    """
    job = current_job()
    if job is not None:
        job.progress(current, total, message, unit)


def step(  # noqa: D417 - *args and **kwargs are fn's
    name: str, fn: Callable[..., Any], /, *args: Any, atomic: bool = False, **kwargs: Any
) -> Any:
    """Run a step of the current job; outside a job, just call the function.

    See :meth:`celery_jobman.core.steps.StepRunner.run`.

    Args:
        atomic: As :func:`atomic_step`, which can also give ``fn`` an argument of this name.
    """
    if atomic:
        return atomic_step(name, fn, *args, **kwargs)
    job = current_job()
    return fn(*args, **kwargs) if job is None else job.step(name, fn, *args, **kwargs)


def atomic_step(name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a step of the current job whose effects in the project's database happen exactly once.

    What ``fn`` writes there, the step's checkpoint and a check that this attempt still holds the
    job are committed in one transaction.  Outside a job the function is called in a transaction.
    All arguments after ``fn`` are the function's own.

    See :meth:`celery_jobman.core.steps.StepRunner.run`, with ``atomic=True``.
    """
    job = current_job()
    if job is not None:
        return job.atomic_step(name, fn, *args, **kwargs)
    with transaction.atomic(using=home()):
        return fn(*args, **kwargs)


def _bound(fn: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Callable[[], Any]:
    """Return a function with its arguments, by its own name; a coroutine function stays one."""
    call = partial(fn, *args, **kwargs)
    call.__name__ = getattr(fn, "__name__", "function")  # type: ignore[attr-defined]
    return call
