"""Entrances: bring a job to a place in its middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.core.encoding import encode
from celery_jobman.exceptions import JobInterrupted
from celery_jobman.models import Outcome, Step, StepState
from celery_jobman.runtime import eager
from celery_jobman.testing import inline, moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Task

    from celery_jobman.models import Job


def interrupt_at(
    task: Task,
    step: str,
    *args: Any,
    items: int = 0,
    kwargs: Mapping[str, Any] | None = None,
) -> Job:
    """Run a job until a step begins, and interrupt it there, as a deploy does.

    Args:
        task: The task.
        step: Path of the step.  The job is interrupted before it begins.
        *args: The task's positional arguments.
        items: Of an iteration: interrupt it after so many items.
        kwargs: The task's keyword arguments.

    Returns:
        The job, scheduled to go on at once: :func:`~celery_jobman.testing.inline.run_job` and
        :func:`~celery_jobman.testing.inline.run_jobs` resume it.

    Raises:
        AssertionError: The job never came there.  It has run to its end, and the message says
            which steps it took.
    """
    job = inline.found(task.apply_async(args, dict(kwargs or {})))
    with moments.watched(_Interruption(step, items)):
        eager.attempt(job.pk)
    job.refresh_from_db()
    if not job.attempts.filter(outcome=Outcome.INTERRUPTED).exists():
        taken = ", ".join(job.steps.order_by("position").values_list("name", flat=True))
        place = f"item {items + 1} of step {step!r}" if items else f"step {step!r}"
        raise AssertionError(f"{task.name} never came to {place}; its steps: {taken or 'none'}")
    return job


class _Interruption:
    """Raises once, when the step begins or when its next item would."""

    def __init__(self, step: str, items: int) -> None:
        self._step, self._left = step, items
        self._moment = "iteration:item" if items else "step:before"

    def __call__(self, name: str) -> None:
        if name != self._moment or self._here() != self._step:
            return
        if self._left:
            self._left -= 1
            return
        self._moment = ""
        raise JobInterrupted

    def _here(self) -> str:
        beginning = self._moment == "step:before"
        return moments.latest_step() if beginning else moments.current_step()


def start_at(
    task: Task,
    step: str,
    *args: Any,
    results: Mapping[str, Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Job:
    """Run a job that has done everything before ``step`` already.

    Args:
        task: The task; it must declare its ``steps``.
        step: The declared step that runs first.
        *args: The task's positional arguments.
        results: What the steps before it returned, by their names; None for those not named.
        kwargs: The task's keyword arguments.

    Returns:
        The job as it stands at the end.

    Raises:
        ValueError: The task declares no step of this name, or ``results`` names one that is not
            before it.  Nothing was run or written.
        UnencodableValue: A result is not JSON.  Nothing was run or written.
    """
    given = _encoded(_before(task, step), results or {})
    job = inline.found(task.apply_async(args, dict(kwargs or {})))
    rows = enumerate(given.items())
    Step.objects.bulk_create(_done(job, place, name, text) for place, (name, text) in rows)
    return inline.run_job(job)


def _before(task: Task, step: str) -> list[str]:
    declared = list(task.steps)
    if step not in declared:
        names = ", ".join(declared) or "none"
        raise ValueError(f"{task.name} declares no step {step!r}; it declares {names}")
    return declared[: declared.index(step)]


def _encoded(names: list[str], results: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what the rows keep; nothing of a step that may as well be a loop."""
    for name in results:
        if name not in names:
            known = ", ".join(names) or "none"
            raise ValueError(f"results are for the steps before ({known}), not for {name!r}")
    texts = {name: encode(value, f"the result of step {name!r}") for name, value in results.items()}
    return {name: texts.get(name) for name in names}


def _done(job: Job, position: int, name: str, result: str | None) -> Step:
    now = timezone.now()
    return Step(
        job=job,
        name=name,
        position=position,
        state=StepState.SUCCEEDED,
        attempt=0,
        started_at=now,
        finished_at=now,
        result=result,
    )
