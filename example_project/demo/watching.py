"""Following a job through its rows, as any program could."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.models import Job, Step, StepState
from example_project.shop import packs

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from example_project.demo.processes import Process
    from example_project.demo.screen import Screen

#: Seconds between two looks at the job.
_EVERY: Final = 0.05
#: Seconds that nothing the story waits for may take.
_PATIENCE: Final = 90.0


class Stuck(Exception):
    """The job did not get where it should."""


def until(
    reached: Callable[[], bool],
    worker: Process,
    trouble: Callable[[], str],
    show: Callable[[float], None] = lambda _waited: None,
) -> None:
    """Wait until ``reached()``.

    Args:
        reached: Whether it is.
        worker: The worker that is at work.
        trouble: Says, if it takes too long, what was waited for and how things stand.
        show: Shows how things stand; it is given the seconds since the beginning.

    Raises:
        Stuck: The worker ended, or too much time passed.  The message has the end of the
            worker's log.
    """
    began = time.monotonic()
    while not reached():
        waited = time.monotonic() - began
        if not worker.is_running or waited > _PATIENCE:
            raise Stuck("\n".join([trouble(), *worker.tail()]))
        show(waited)
        time.sleep(_EVERY)


class Watch:
    """Shows one attempt of a job: each step as it ends, and a bar for the loop that runs.

    Args:
        screen: Where to show it.
        job_id: The job.
        worker: The worker that should run it.
    """

    def __init__(self, screen: Screen, job_id: UUID, worker: Process) -> None:
        self._screen = screen
        self._job_id = job_id
        self._worker = worker
        #: Names of steps that are no longer worth a line.
        self.told: set[str] = set()

    def until(self, reached: Callable[[], bool], what: str, note: str = "") -> None:
        """Show the job, or ``note`` if given, until ``reached()``.

        Raises:
            Stuck: The worker ended, or too much time passed.  The message says ``what`` was waited
                for, the job's state, and the end of the worker's log.
        """

        def show(waited: float) -> None:
            if note:
                self._screen.wait("waiting", f"{note} ... {waited:.0f} s")
            else:
                self._show()

        until(reached, self._worker, lambda: self._trouble(what), show)
        if not note:
            self._show()
        self._screen.end_bar()

    def _show(self) -> None:
        for step in steps(self._job_id).values():
            if step.name not in self.told and self._tell(step):
                self.told.add(step.name)

    def _tell(self, step: Step) -> bool:
        """Show a step; return whether it is through."""
        if step.total is not None:
            rows = packs.SIZE if step.name == "load" else 1
            total = _rows(self._job_id) or step.total * rows
            self._screen.bar(step.name, min((step.done or 0) * rows, total), total, "rows")
        if step.state != StepState.SUCCEEDED:
            return False
        if step.total is None:
            self._screen.fact(step.name, _brief(step.checkpoint))
        elif step.skipped:
            self._screen.fact("", f"{len(step.skipped)} rows break a rule; they are put aside:")
            self._screen.lines(f"row {one['index'] + 1}: {one['error']}" for one in _some(step))
        return True

    def _trouble(self, what: str) -> str:
        job = Job.objects.get(pk=self._job_id)
        error = f" ({job.error_class}: {job.error_message})" if job.error_class else ""
        return f"waited for {what}; the job is {job.state}{error}, attempt {job.attempt}"


def steps(job_id: UUID) -> dict[str, Step]:
    """Return the job's steps in order, by name, without those that were set aside."""
    rows = Step.objects.filter(job_id=job_id, superseded=0).order_by("position")
    return {row.name: row for row in rows}


def done_share(job_id: UUID, name: str) -> float:
    """Return how much of a loop's work is saved, from 0 to 1."""
    step = steps(job_id).get(name)
    return (step.done or 0) / step.total if step and step.total else 0.0


def state_of(job_id: UUID) -> str:
    """Return the job's state."""
    return Job.objects.values_list("state", flat=True).get(pk=job_id)


def _rows(job_id: UUID) -> int:
    validate = steps(job_id).get("validate")
    return validate.total or 0 if validate else 0


def _some(step: Step) -> list[dict[str, Any]]:
    """Return some skipped rows, no two with faults of one kind."""
    kinds = {" ".join(one["error"].split()[:3]): one for one in reversed(step.skipped)}
    return sorted(kinds.values(), key=lambda one: one["index"])[:5]


def _brief(result: Any) -> str:
    if isinstance(result, dict) and "sha256" in result:
        return f"{result['size']:,} bytes, sha256 {result['sha256'][:12]}"
    if isinstance(result, dict) and "subject" in result:
        return f"mailed: {result['subject']}"
    return str(result)
