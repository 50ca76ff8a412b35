"""Crashes: run a job once for each of its checkpoints, and let its process die there.

A step runs at least once: when a process is killed between a step's work and its checkpoint, the
next attempt does the work again.  Whether a task minds is hard to see by reading it.
:func:`crash_at_every_checkpoint` tries it out.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from celery_jobman.core import rescue
from celery_jobman.models.database import home
from celery_jobman.runtime import eager
from celery_jobman.states import State
from celery_jobman.testing import inline, moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from celery import Task

    from celery_jobman.models import Job

#: Moments at which a process dies here, and what they are called.
PLACES = {
    "step:work done": "after the work of {step}, before its checkpoint",
    "atomic:before commit": "before {step} was committed",
    "step:checkpointed": "after the checkpoint of {step}",
    "iteration:item": "before an item of {step}",
    "iteration:checkpointed": "after {step} had saved its cursor",
    "finishing": "at the very end",
}
#: Crashes that are tried at most, unless more are asked for.
MOST = 100


class Place(NamedTuple):
    """A moment of a job's first attempt at which its process can die."""

    #: Counted from 1, in the order in which they are reached.
    number: int
    moment: str
    step: str

    def __str__(self) -> str:
        step = f"step {self.step!r}" if self.step else "the job"
        return f"{PLACES[self.moment].format(step=step)} (place {self.number})"


@dataclass(frozen=True, slots=True)
class End:
    """What a job came to."""

    state: str
    result: Any
    code: str
    observed: Any


def crash_at_every_checkpoint(
    task: Task,
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    observe: Callable[[], Any] | None = None,
    prepare: Callable[[], object] | None = None,
    most: int = MOST,
) -> list[Place]:
    """Assert that a job comes to the same end wherever its process dies.

    The job is run once undisturbed, and once for every place at which it can die: before and
    after each checkpoint, at each item of an iteration, and at the very end.  There the process
    dies, as far as the job's rows can tell; the job is rescued, and a second attempt runs it to
    its end.  Each run begins in the same database: what a run wrote is rolled back after it.

    Args:
        task: The task, a :class:`~celery_jobman.runtime.task.JobTask`.
        *args: Its positional arguments.
        kwargs: Its keyword arguments.
        observe: Returns what the job is for: rows, files, sent mails.  Called after each run; it
            must return the same as after the undisturbed one.
        prepare: Called before each run, to put back what is not in the database.
        most: Places that are tried at most.  Where there are more, as in a long iteration, they
            are tried at even distances, the first and the last among them.

    Returns:
        The places at which the process died.

    Raises:
        AssertionError: The undisturbed job did not end; or after a crash it ended in another
            state, with another result or code, or ``observe`` returned something else.  The
            message names the place.

    A real ``kill -9`` runs no ``finally`` and no ``except``; here the task's own do run, on the
    way out of the body, with an exception that derives from :class:`BaseException`.  A database
    error that the task lets through leaves a test's own transaction unusable, as in any Django
    test; on PostgreSQL nothing can be asked of the database after it.
    """
    call = _Call(task, args, dict(kwargs or {}), observe, prepare)
    places: list[Place] = []
    with _undone(), moments.watched(lambda name: _note(places, name)):
        wanted = call.run()
    if wanted.state not in {State.SUCCEEDED, State.FAILED}:
        raise AssertionError(f"{task.name} did not end: it is {wanted.state}")
    chosen = _spread(places, most)
    for place in chosen:
        with _undone():
            _compare(task, place, wanted, call.run_with_a_crash(place))
    return chosen


@dataclass(frozen=True, slots=True)
class _Call:
    task: Task
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    observe: Callable[[], Any] | None
    prepare: Callable[[], object] | None

    def run(self) -> End:
        """Run the job undisturbed."""
        return self._end(inline.run_job(self._enqueue()))

    def run_with_a_crash(self, place: Place) -> End:
        """Let the first attempt die at ``place``, and run the job to its end."""
        job = self._enqueue()
        with moments.watched(_Killer(place)):
            _attempt(job)
        job.refresh_from_db()
        if job.state == State.RUNNING:
            rescue.lose(job, "its process was killed by a test", now=timezone.now())
            job.refresh_from_db()
        return self._end(inline.run_job(job) if not job.is_final else job)

    def _enqueue(self) -> Job:
        if self.prepare:
            self.prepare()
        return inline.found(self.task.apply_async(self.args, self.kwargs))

    def _end(self, job: Job) -> End:
        observed = self.observe() if self.observe else None
        return End(job.state, job.return_value, job.completed_code, observed)


class _Killer:
    """Kills at one place, once."""

    def __init__(self, place: Place) -> None:
        self._left = place.number

    def __call__(self, name: str) -> None:
        if name not in PLACES:
            return
        self._left -= 1
        if not self._left:
            moments.crash()


def _attempt(job: Job) -> None:
    try:
        eager.attempt(job.pk)
    except moments.Crashed:
        return  # it died after the body


def _note(places: list[Place], name: str) -> None:
    if name in PLACES:
        step = "" if name == "finishing" else moments.current_step()
        places.append(Place(len(places) + 1, name, step))


def _spread(places: list[Place], most: int) -> list[Place]:
    if len(places) <= most:
        return places
    last = len(places) - 1
    return [places[round(index * last / (most - 1))] for index in range(most)]


def _compare(task: Task, place: Place, wanted: End, found: End) -> None:
    for name in ("state", "result", "code", "observed"):
        before, after = getattr(wanted, name), getattr(found, name)
        if before != after:
            raise AssertionError(
                f"{task.name}, killed {place}, came to another end:"
                f" {name} is {after!r}, and undisturbed it is {before!r}"
            )


@contextmanager
def _undone() -> Iterator[None]:
    """Roll back what the block writes to jobman's database."""
    block = transaction.atomic(using=home())
    # As Django's TestCase marks its own, so that the task may open durable blocks in it.
    block._from_testcase = True  # type: ignore[attr-defined]  # noqa: SLF001
    with block:
        yield
        transaction.set_rollback(True, using=home())
