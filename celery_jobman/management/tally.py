"""Tally: doing one thing to many jobs, and counting what was done and what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import CommandError

from celery_jobman.exceptions import JobmanError
from celery_jobman.insight.wording import counted
from celery_jobman.models.database_errors import is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from celery_jobman.management.console import Console
    from celery_jobman.models import Job


def each(jobs: Iterable[Job], act: Callable[[Job], None], done: str, console: Console) -> None:
    """Do something to each job; one that is refused does not stop the rest.

    Args:
        jobs: The jobs.
        act: Does it to one job, and writes its line.
        done: The past participle for the total, such as ``"retried"``.
        console: Where the total and the refusals are written.

    Raises:
        JobmanError: There is one job, and it was refused.
        CommandError: Some of several were refused; the rest was done.
    """
    if isinstance(jobs, list) and len(jobs) == 1:
        act(jobs[0])
        console.fact(f"1 job {done}", total=1, refused=0)
        return
    _every(jobs, act, done, console)


def _every(jobs: Iterable[Job], act: Callable[[Job], None], done: str, console: Console) -> None:
    count, refusals = 0, 0
    error: Exception | None = None
    for job in jobs:
        try:
            act(job)
        except Exception as refusal:
            if not is_refusal(refusal):
                raise
            refusals, error = refusals + 1, refusal
            console.refuse(_told(job, refusal))
        else:
            count += 1
    console.fact(f"{counted(count, 'job')} {done}", total=count, refused=refusals)
    if error is not None:
        raise CommandError(f"{counted(refusals, 'job')} refused") from error


def _told(job: Job, refusal: Exception) -> str:
    """Return what is said of a refusal: ours name the job, others do not."""
    if isinstance(refusal, JobmanError):
        return str(refusal)
    return f"job {job.pk}: {type(refusal).__name__}: {refusal}"
