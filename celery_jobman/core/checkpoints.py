"""The rows of a job's steps, as one attempt reads and writes them.

A row that says *succeeded* is final until a person sets it aside: whatever goes wrong after it
was committed, no other state is written over it.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import IntegrityError, connections
from django.db.models import Exists

from celery_jobman.core import statements
from celery_jobman.core.attempts import holding, is_ours
from celery_jobman.core.encoding import clean
from celery_jobman.core.faults import named
from celery_jobman.exceptions import ClaimLost, StepConflict
from celery_jobman.models import Job, Step, StepState
from celery_jobman.models.database import atomic, home, route, using
from celery_jobman.models.step import STEP_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

T = TypeVar("T")


class Checkpoints:
    """What one attempt of one job knows and saves of the job's steps.

    Args:
        job_id: The job.
        number: The attempt; every row that it writes names it.
        through: Makes the calls that read and write rows, on the right connection.

    Positions: a row's position says when its step began last.  A step that begins is placed
    after all that this attempt has passed by then: the steps that it ran, those whose
    checkpoints it reused, and what is inside of these.  A loop that goes on at its cursor
    keeps its place.
    """

    def __init__(
        self,
        job_id: UUID,
        number: int,
        through: Callable[[Callable[[], Any]], Any] = lambda call: call(),
    ) -> None:
        self.job_id = job_id
        self.number = number
        self._through = through
        self._resuming = False
        self._rows: dict[str, Step] | None = None
        #: Of each step with steps inside: the position of the last of those that are done.
        self._inside: dict[str, int] = {}
        #: Positions of the steps of this attempt, in the order in which they were entered.
        self._seen: dict[str, int] = {}
        self._passed = -1
        self._entering = Lock()

    @property
    def rows(self) -> dict[str, Step]:
        """The job's live steps by name, read once for each attempt."""
        if self._rows is None:
            live = self.reach(lambda: list(Step.objects.filter(job_id=self.job_id, superseded=0)))
            self._rows = {row.name: row for row in live}
            self._resuming = bool(self._rows)
            self._inside = _last_inside(live)
        return self._rows

    @property
    def latest(self) -> str:
        """The path of the step that was begun, or reused, last."""
        return next(reversed(self._seen), "")

    def reach(self, call: Callable[[], T]) -> T:
        """Call the database, on the project's connection while it has a transaction open.

        The work and its checkpoint then stay, or are rolled back, together.
        """
        if not connections[home()].in_atomic_block:
            return self._through(call)  # type: ignore[no-any-return]
        with route(None):
            return call()

    def take(self, path: str) -> Step | None:
        """Give a step its place, and return what earlier attempts have saved of it.

        Raises:
            StepConflict: This attempt has entered a step of this path before.
            ValueError: No database could store the path.
        """
        _check(path)
        rows = self.rows
        with self._entering:
            if path in self._seen:
                raise StepConflict(self.job_id, path)
            row = rows.get(path)
            goes_on = row is not None and (row.state == StepState.SUCCEEDED or bool(row.done))
            place = max(row.position if row else 0, 0 if goes_on else self._passed + 1)
            passed = self._inside.get(path, -1) if goes_on else -1
            self._seen[path] = place
            self._passed = max(self._passed, place, passed)
        return row

    def save(self, path: str, **columns: Any) -> None:
        """Write a step's row in one statement, if this attempt still holds the job.

        A step that has succeeded keeps its row as it is, unless it succeeds again.

        Raises:
            ClaimLost: It does not.  Nothing was written.
            StepConflict: The database takes the path for that of another step.  Nothing was
                written.
        """
        columns |= {"attempt": self.number, "position": self._seen[path]}
        self.rows[path] = self.reach(lambda: self._write(path, self.rows.get(path), columns))

    def note_failure(self, path: str, error: Exception, began: datetime) -> None:
        """Say in the step's row that it raised ``error``, unless it has succeeded before."""
        message = clean(named(error), 1000)
        try:
            self.save(path, state=StepState.FAILED, started_at=began, error_message=message)
        except (Exception, ClaimLost):  # noqa: BLE001 - the body's own error matters more
            return

    def _write(self, path: str, known: Step | None, columns: dict[str, Any]) -> Step:
        if known is None:
            return self._insert(path, columns)
        if not self._update(path, columns):
            # Its row was deleted or rolled back while the attempt ran.
            old = {name: getattr(known, name) for name in ("started_at", "state")}
            return self._insert(path, {**old, **columns})
        for name, value in columns.items():
            setattr(known, name, value)
        return known

    def _insert(self, path: str, columns: dict[str, Any]) -> Step:
        row = Step(job_id=self.job_id, name=path, **columns)
        values, mine = statements.columns_of(row), holding(self.job_id, self.number)
        try:
            with atomic():
                written = statements.insert_while(using(), Step, values, Job, mine)
        except IntegrityError as error:
            return self._met(path, row, columns, error)
        if not written:
            raise ClaimLost
        return row

    def _met(self, path: str, row: Step, columns: dict[str, Any], error: IntegrityError) -> Step:
        """Return the row that stands where one was to be written.

        An attempt that had not lost the job yet wrote it first, or this one has, and its
        connection broke before the database could say so.
        """
        same = Step.objects.filter(job_id=self.job_id, name=path)
        found = same.order_by("superseded").first()
        if found is None:
            raise error
        if found.name != path:
            reason = f"the database takes it for {found.name!r}"
            raise StepConflict(self.job_id, path, reason) from error
        if self._update(path, columns):
            return row
        if (found.superseded, found.state, found.attempt) == (0, StepState.SUCCEEDED, self.number):
            return found
        raise ClaimLost

    def _update(self, path: str, columns: dict[str, Any]) -> bool:
        rows = Step.objects.filter(
            job_id=self.job_id, name=path, superseded=0, attempt__lte=self.number
        )
        if columns["state"] != StepState.SUCCEEDED:
            rows = rows.exclude(state=StepState.SUCCEEDED)
        mine = Job.objects.filter(is_ours(self.job_id, self.number))
        if connections[using()].vendor != "mysql":
            return bool(rows.filter(Exists(mine)).update(**columns))
        # There the condition would lock the job's row against the supervisor.
        return mine.exists() and bool(rows.update(**columns))


def _last_inside(rows: list[Step]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        outer = row.name.rpartition("/")[0] if row.state == StepState.SUCCEEDED else ""
        while outer:
            found[outer] = max(found.get(outer, -1), row.position)
            outer = outer.rpartition("/")[0]
    return found


def _check(path: str) -> None:
    if not path or len(path) > STEP_LENGTH:
        msg = f"a step's name must have 1 to {STEP_LENGTH} characters, but {path!r} was given"
        raise ValueError(msg)
    if clean(path, STEP_LENGTH) != path:
        msg = (
            f"a step's name must be text that every database stores, but {path!r} has a NUL or"
            " half a character in it; take it out, or use repr() of it"
        )
        raise ValueError(msg)
