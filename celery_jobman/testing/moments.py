"""Moments: standing in the middle of a job that runs in the test's own process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from celery.exceptions import Ignore

from celery_jobman.core import moments
from celery_jobman.exceptions import ControlFlow
from celery_jobman.runtime import outcomes
from celery_jobman.runtime.running import required_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    from celery_jobman.runtime.running import RunningJob


class Crashed(ControlFlow):
    """Stands for the death of the process: nothing is written after it."""


@outcomes.judge.register(Crashed)
def _crashed(error: Crashed, task: Any, job: RunningJob) -> outcomes.Verdict:  # noqa: ARG001 - the rules share a signature
    return outcomes.Verdict(ending=None, error=Ignore("crashed by a test"))


@contextmanager
def watched(listener: Callable[[str], None]) -> Iterator[None]:
    """Call ``listener`` with the name of every moment that is reached in this block."""
    before = moments.reached

    def both(name: str) -> None:
        before(name)
        listener(name)

    moments.reached = both
    try:
        yield
    finally:
        moments.reached = before


def crash() -> NoReturn:
    """End the running job's process, as far as its rows can tell.

    Raises:
        Crashed: Always.  On its way out nothing of the job is saved any more.
    """
    job = required_job("crash")
    job.runner.save = _refuse  # type: ignore[method-assign]
    job.lines.clear()
    raise Crashed


def _refuse(*_args: Any, **_columns: Any) -> NoReturn:
    raise Crashed


def current_step() -> str:
    """Return the path of the step that the running job is in; between steps, of the last one."""
    runner = required_job("current_step").runner
    return runner.current or runner.latest


def latest_step() -> str:
    """Return the path of the step that the running job began last."""
    return required_job("latest_step").runner.latest
