"""Steps: parts of a job that are done once, however often the job is attempted."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.utils import timezone

from celery_jobman.core import moments, paths
from celery_jobman.core.attempts import is_ours
from celery_jobman.core.checkpoints import Checkpoints
from celery_jobman.core.encoding import encode
from celery_jobman.core.iterations import Iteration
from celery_jobman.exceptions import ClaimLost, StepConflict
from celery_jobman.models import Job, StepState
from celery_jobman.models.database import home, reconnect, using

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.paths import Scope


class StepRunner(Checkpoints):
    """Runs the steps of one attempt of one job.

    Args:
        job_id: The job.
        number: The attempt that runs; every checkpoint it writes names it.
        checkpoint: Called before and after each step; raises when the body must stop.
        through: Makes the calls that read and write rows, on the right connection.  The body
            never runs inside it: what it writes goes where the project sends it.
        passing: Exceptions that are no item's fault, so that a loop never skips them.
    """

    def __init__(
        self,
        job_id: UUID,
        number: int,
        checkpoint: Callable[[], None] = lambda: None,
        through: Callable[[Callable[[], Any]], Any] = lambda call: call(),
        passing: tuple[type[BaseException], ...] = (),
    ) -> None:
        super().__init__(job_id, number, through)
        self.checkpoint = checkpoint
        self.passing = passing
        #: Names of the steps whose checkpoints were reused, and the first that ran anew.
        self.reused: list[str] = []
        self.resumed_from = ""
        #: The innermost step that an exception left.
        self.stopped_in = ""
        #: What is not over, in the order in which it began, whichever thread it is in.
        self._running: list[Scope] = []
        self._open: list[Iteration] = []

    def run(  # noqa: D417 - *args and **kwargs are fn's
        self, name: str, fn: Callable[..., Any], /, *args: Any, atomic: bool = False, **kwargs: Any
    ) -> Any:
        """Run ``fn`` once in the life of the job and remember what it returned.

        The first attempt to reach this call runs ``fn(*args, **kwargs)`` and stores its
        return value as the step's checkpoint.  Later attempts get the stored value and skip
        ``fn``.

        Args:
            name: Identifies the step within its job; at most 200 characters with the names
                of the steps around it.  A renamed step is a new step, so jobs already in
                flight will run it again.
            fn: The work.  What it returns must be JSON-encodable by
                :class:`~django.core.serializers.json.DjangoJSONEncoder`.
            atomic: Commit what ``fn`` wrote to the project's database, the checkpoint and a
                check that this attempt still holds the job in one transaction: then the
                step's effects in that database happen exactly once.

        Returns:
            What ``fn`` returned, as it reads back from JSON: a tuple comes back as a list,
            and a datetime as an ISO 8601 string, on the first attempt as on the others.

        Raises:
            StepConflict: ``name`` was already used in this attempt, or earlier ones have stored
                a loop under it.  Nothing was run.
            TypeError, ValueError: ``name`` is no str, or none that every database stores; ``fn``
                is a coroutine function.  Nothing was run.
            SynchronousOnlyOperation: It is called in a coroutine.  Nothing was run.
            UnencodableValue: The return value cannot be encoded.  Nothing is stored, so the
                next attempt runs ``fn`` again.
            OperationalError, InterfaceError: The database stayed away for too long.
            RuntimeError: ``atomic=True`` inside an open transaction, whose later rollback
                would undo the step.  Nothing was run.
            Exception: Whatever ``fn`` raises passes through; the step is noted as failed.  What
                an ``on_commit`` hook of an atomic step raises passes through too; the step is
                done then, and stays it.

        Without ``atomic`` the step runs *at least* once: a worker killed after ``fn``
        returned and before the checkpoint was written leaves no trace of the call.  Give
        external effects an idempotency key.

        Semantics: return values are kept and replayed as DBOS does for its steps, but are
        matched by name, as in River's ``ResumableStep``, and not by the order of calls;
        steps may therefore be reordered between releases.
        """
        path = self.enter(name)
        if inspect.iscoroutinefunction(fn):
            msg = f"step {path!r} calls a coroutine function; wrap it: async_to_sync({_name(fn)})"
            raise TypeError(msg)
        row = self.take(path)
        if row is not None and row.done is not None:
            raise StepConflict(
                self.job_id, path, "earlier attempts have stored a loop of this name"
            )
        if row is not None and row.state == StepState.SUCCEEDED:
            self.reused.append(path)
            return row.checkpoint
        self.begin(path)
        execute = self._execute_atomic if atomic else self._execute
        with self.within(path):
            result = execute(path, lambda: fn(*args, **kwargs))
        moments.reached("step:checkpointed")
        self.checkpoint()
        return result

    def iterate(self, name: str, source: Any, **options: Any) -> Iteration:
        """Return an iteration over ``source`` that resumes at its cursor.

        See :class:`~celery_jobman.core.iterations.Iteration` for the options.
        """
        path = self.enter(name)
        row = self.take(path)
        if row is not None and row.result is not None and row.done is None:
            raise StepConflict(
                self.job_id, path, "earlier attempts have stored a step of this name"
            )
        iteration = Iteration(self, path, row, source, **options)
        self._open.append(iteration)
        return iteration

    def close(self, error: BaseException | None = None) -> None:
        """Save the cursors of iterations that the body left open, by ``error`` or without."""
        while self._open:
            iteration = self._open.pop()
            iteration.close(error if iteration.path == self.stopped_in else None)

    @property
    def current(self) -> str:
        """The path of the step that began last and is not over, in any thread; or nothing."""
        last = next(reversed(self._running), None)
        return last.path if last else ""

    @property
    def around(self) -> str:
        """The path of the step that this call is in.

        In a thread that knows of none it is the one that began last.
        """
        return paths.around(self) or self.current

    def enter(self, name: object) -> str:
        """Return the path of a step that begins here.

        Raises:
            TypeError: ``name`` is no str.
            SynchronousOnlyOperation: This is a coroutine.
        """
        if not isinstance(name, str):
            msg = f"a step's name must be a str, but {name!r} was given"
            raise TypeError(msg)
        _refuse_coroutines(name)
        outer = paths.around(self)
        return "/".join([outer, name] if outer and name else [name])

    def begin(self, path: str) -> None:
        """Stop here if asked to; otherwise note that ``path`` runs in this attempt."""
        self.checkpoint()
        self.stopped_in = ""
        if self._resuming:
            self.resumed_from = self.resumed_from or path
        moments.reached("step:before")

    @contextmanager
    def within(self, path: str) -> Iterator[None]:
        """Make ``path`` the current step; note it as failed when it raises."""
        began = timezone.now()
        try:
            with self.part(path):
                yield
        except BaseException as error:
            self.stopped_in = self.stopped_in or path
            if isinstance(error, Exception):
                self.note_failure(path, error, began)
            raise

    @contextmanager
    def part(self, path: str) -> Iterator[None]:
        """Let steps of the block have names of their own, under ``path``."""
        scope = paths.Scope(self, path)
        self._running.append(scope)
        try:
            with paths.inside(scope):
                yield
        finally:
            self._running.remove(scope)

    def go_on(self, scope: Scope) -> None:
        """Be in the loop of ``scope`` from here on."""
        if scope not in self._running:
            self._running.append(scope)
        paths.enter(scope)

    def leave(self, scope: Scope) -> None:
        """Be in the loop of ``scope`` no longer."""
        if scope in self._running:
            self._running.remove(scope)
        paths.leave(scope)

    def _execute(self, path: str, call: Callable[[], Any]) -> Any:
        began = timezone.now()
        result = call()
        moments.reached("step:work done")
        return self._store(path, result, began)

    def _execute_atomic(self, path: str, call: Callable[[], Any]) -> Any:
        self._connect()
        # The project's own connection: checkpoint and effects must share one transaction.
        with transaction.atomic(using=home(), durable=True):
            result = self._execute(path, call)
            self.confirm_claim()
            moments.reached("atomic:before commit")
        return result

    def _connect(self) -> None:
        """Wait, before the transaction begins, for a database that is away.

        Once it has begun a broken connection takes it along, and with it the attempt: what
        ``fn`` did elsewhere by then must not be done twice in one attempt.
        """
        if not connections[home()].in_atomic_block:
            self._through(lambda: reconnect(home()))

    def confirm_claim(self) -> None:
        """Make sure, until the transaction ends, that this attempt holds the job.

        Raises:
            ClaimLost: It does not; the transaction must be rolled back.
        """
        mine = Job.objects.filter(is_ours(self.job_id, self.number))
        if not self.reach(lambda: mine.using(using()).update(current_step=self.current)):
            raise ClaimLost

    def _store(self, path: str, result: Any, began: datetime) -> Any:
        # Encode before the database is touched: an error raised inside a write would leave
        # the caller's transaction unusable.
        text = encode(result, f"what step {path!r} returned")
        self.save(
            path,
            state=StepState.SUCCEEDED,
            started_at=began,
            finished_at=timezone.now(),
            result=text,
            error_message="",
        )
        return json.loads(text)


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__name__", "function")


def _refuse_coroutines(name: str) -> None:
    """Raise SynchronousOnlyOperation in a coroutine, as Django's database connections would."""
    if os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    msg = (
        f"step {name!r} is called in a coroutine, where the database must not be used; call it"
        " in a thread: await sync_to_async(self.step)(name, function)"
    )
    raise SynchronousOnlyOperation(msg)
