"""What tests of Celery's own canvas share: flows of deeds, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import chain, group

from celery_jobman.models import Job
from tests.workflows import deed

if TYPE_CHECKING:
    from celery.canvas import Signature


def name_of(job: Job) -> str:
    """Return the deed that a job does."""
    return str(job.arguments[0][-1])


def job_of(name: str) -> Job:
    """Return the job that does a deed."""
    return next(job for job in Job.objects.all() if name_of(job) == name)


def states() -> dict[str, str]:
    """Return the state of each job by its deed."""
    return {name_of(job): str(job.state) for job in Job.objects.order_by("id")}


def chain_of(*names: str) -> None:
    """Enqueue a chain of deeds."""
    chain(*(deed.s(name) for name in names)).delay()


def diamond() -> Signature:
    """Return a, then b and c beside each other, then d, then e."""
    return deed.s("a") | group(deed.s("b"), deed.s("c")) | deed.s("d") | deed.s("e")
