"""Steps: parts of a job that are done once, however often the job is attempted."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import IntegrityError, connections, transaction
from django.db.models import Exists
from django.utils import timezone

from celery_jobman.core import moments, statements
from celery_jobman.core.attempts import holding, is_ours
from celery_jobman.core.encoding import clean, encode
from celery_jobman.core.faults import message_of
from celery_jobman.core.iterations import Iteration
from celery_jobman.exceptions import ClaimLost, StepConflict
from celery_jobman.models import Job, Step, StepState
from celery_jobman.models.database import atomic, home, reconnect, route, using
from celery_jobman.models.step import STEP_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID


T = TypeVar("T")


class StepRunner:
    """Runs the steps of one attempt of one job.

    Args:
        job_id: The job.
        number: The attempt that runs; every checkpoint it writes names it.
        checkpoint: Called before and after each step; raises when the body must stop.
        through: Makes the calls that read and write rows, on the right connection.  The body
            never runs inside it: what it writes goes where the project sends it.
    """

    def __init__(
        self,
        job_id: UUID,
        number: int,
        checkpoint: Callable[[], None] = lambda: None,
        through: Callable[[Callable[[], Any]], Any] = lambda call: call(),
    ) -> None:
        self.job_id = job_id
        self.number = number
        self.checkpoint = checkpoint
        self.current = ""
        #: Names of the steps whose checkpoints were reused, and the first that ran anew.
        self.reused: list[str] = []
        self.resumed_from = ""
        #: The innermost step that an exception left.
        self.stopped_in = ""
        self._through = through
        self._resuming = False
        self._rows: dict[str, Step] | None = None
        self._seen: dict[str, int] = {}
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
            StepConflict: ``name`` was already used in this attempt.  Nothing was run.
            UnencodableValue: The return value cannot be encoded.  Nothing is stored, so the
                next attempt runs ``fn`` again.
            OperationalError, InterfaceError: The database stayed away for too long.
            RuntimeError: ``atomic=True`` inside an open transaction, whose later rollback
                would undo the step.  Nothing was run.
            Exception: Whatever ``fn`` raises passes through; the step is noted as failed.

        Without ``atomic`` the step runs *at least* once: a worker killed after ``fn``
        returned and before the checkpoint was written leaves no trace of the call.  Give
        external effects an idempotency key.

        Semantics: return values are kept and replayed as DBOS does for its steps, but are
        matched by name, as in River's ``ResumableStep``, and not by the order of calls;
        steps may therefore be reordered between releases.
        """
        path = self.enter(name)
        row = self.rows.get(path)
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
        iteration = Iteration(self, path, self.rows.get(path), source, **options)
        self._open.append(iteration)
        return iteration

    def close(self, error: BaseException | None = None) -> None:
        """Save the cursors of iterations that the body left open, by ``error`` or without."""
        while self._open:
            iteration = self._open.pop()
            iteration.close(error if iteration.path == self.stopped_in else None)

    @property
    def rows(self) -> dict[str, Step]:
        """The job's live steps by name, read once for each attempt."""
        if self._rows is None:
            live = self._reach(lambda: list(Step.objects.filter(job_id=self.job_id, superseded=0)))
            self._rows = {row.name: row for row in live}
            self._resuming = bool(self._rows)
        return self._rows

    @property
    def latest(self) -> str:
        """The path of the step that was begun, or reused, last."""
        return next(reversed(self._seen), "")

    def _reach(self, call: Callable[[], T]) -> T:
        """Call the database, on the project's connection while it has a transaction open.

        The work and its checkpoint then stay, or are rolled back, together.
        """
        if not connections[home()].in_atomic_block:
            return self._through(call)  # type: ignore[no-any-return]
        with route(None):
            return call()

    def enter(self, name: str) -> str:
        """Return the path of a step that begins here, and note its place in the order."""
        path = f"{self.current}/{name}" if self.current else name
        if path in self._seen:
            raise StepConflict(self.job_id, path)
        if not name or len(path) > STEP_LENGTH:
            msg = f"a step's name must have 1 to {STEP_LENGTH} characters, but {path!r} was given"
            raise ValueError(msg)
        self._seen[path] = len(self._seen)
        return path

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
        outer, self.current = self.current, path
        began = timezone.now()
        try:
            yield
        except BaseException as error:
            self.stopped_in = self.stopped_in or path
            if isinstance(error, Exception):
                self._note_failure(path, error, began)
            raise
        finally:
            self.current = outer

    @contextmanager
    def part(self, path: str) -> Iterator[None]:
        """Let steps of the block have names of their own, under ``path``."""
        outer, self.current = self.current, path
        try:
            yield
        finally:
            self.current = outer

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
        if not self._reach(lambda: mine.using(using()).update(current_step=self.current)):
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

    def save(self, path: str, **columns: Any) -> None:
        """Write a step's row in one statement, if this attempt still holds the job.

        Raises:
            ClaimLost: It does not.  Nothing was written.
        """
        columns["attempt"] = self.number
        self.rows[path] = self._reach(lambda: self._write(path, self.rows.get(path), columns))

    def _write(self, path: str, known: Step | None, columns: dict[str, Any]) -> Step:
        if known is None:
            return self._insert(path, columns)
        if not self._update(path, columns):
            # Its row was deleted while the attempt ran.
            old = {name: getattr(known, name) for name in ("started_at", "state")}
            return self._insert(path, {**old, **columns})
        for name, value in columns.items():
            setattr(known, name, value)
        return known

    def _insert(self, path: str, columns: dict[str, Any]) -> Step:
        row = Step(job_id=self.job_id, name=path, position=self._seen[path], **columns)
        values, mine = statements.columns_of(row), holding(self.job_id, self.number)
        try:
            with atomic():
                written = statements.insert_while(using(), Step, values, Job, mine)
        except IntegrityError:
            # An attempt that had not lost the job yet wrote it first.
            written = self._update(path, columns)
            if not written and not Step.objects.filter(job_id=self.job_id, name=path).exists():
                raise
        if not written:
            raise ClaimLost
        return row

    def _update(self, path: str, columns: dict[str, Any]) -> bool:
        rows = Step.objects.filter(
            job_id=self.job_id, name=path, superseded=0, attempt__lte=self.number
        )
        mine = Job.objects.filter(is_ours(self.job_id, self.number))
        if connections[using()].vendor != "mysql":
            return bool(rows.filter(Exists(mine)).update(**columns))
        # There the condition would lock the job's row against the supervisor.
        return mine.exists() and bool(rows.update(**columns))

    def _note_failure(self, path: str, error: Exception, began: datetime) -> None:
        message = clean(f"{type(error).__name__}: {message_of(error)}", 1000)
        try:
            self.save(path, state=StepState.FAILED, started_at=began, error_message=message)
        except (Exception, ClaimLost):  # noqa: BLE001 - the body's own error matters more
            return
