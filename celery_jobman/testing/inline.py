"""Inline: run waiting jobs in the test's own process, one after the other, without a broker.

A job runs as a worker would run it: it is claimed, its attempt ends with a row, and what it
enqueues waits to be run as well.  Two things differ.  Nobody waits: a job that backs off or was
put back runs again at once.  And nothing happens at the same time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.core import errands, jobs
from celery_jobman.models import Job
from celery_jobman.runtime.eager import LIMIT, attempt
from celery_jobman.states import CLAIMABLE, State

if TYPE_CHECKING:
    from uuid import UUID

NOW = timedelta(0)


def run_jobs(*, ahead: timedelta = NOW, limit: int = LIMIT) -> list[Job]:
    """Run every job that waits and is due, and those that they enqueue, until none is left.

    Args:
        ahead: Also run jobs that are scheduled for up to this long from now, as if the time
            had passed.  The clock itself is not touched.
        limit: Most attempts that are made.

    Returns:
        The jobs that ran, as they stand at the end, in the order in which they first ran.

    Raises:
        UnknownTask: A job's task is not registered.  The jobs before it have run.
        AssertionError: Some job still wants to run after ``limit`` attempts.
    """
    ran: dict[UUID, None] = {}
    for _attempt in range(limit):
        job_id = _next(ahead)
        if job_id is None:
            return [Job.objects.get(pk=each) for each in ran]
        attempt(job_id)
        ran[job_id] = None
    raise AssertionError(f"jobs are left to run after {limit} attempts: {_left(ahead)}")


def run_job(reference: object, *, limit: int = LIMIT) -> Job:
    """Run one waiting job until it waits no longer: also its further attempts, without a wait.

    Args:
        reference: A job, its id, its task id, or the result that ``delay()`` returned.
        limit: Most attempts that are made.

    Returns:
        The job as it stands at the end.

    Raises:
        JobNotFound: There is no such job.
        AssertionError: It does not wait (it runs, or has ended), or wants to run again after
            ``limit`` attempts.
    """
    job = found(reference)
    if job.state not in CLAIMABLE:
        raise AssertionError(f"job {job.pk} is {job.state} and does not wait to be run")
    for _attempt in range(limit):
        attempt(job.pk)
        job.refresh_from_db()
        if job.state not in CLAIMABLE:
            return job
    raise AssertionError(f"job {job.pk} wants to run again after {limit} attempts")


def found(reference: object) -> Job:
    """Return the job that a job, an id or a result names."""
    if isinstance(reference, Job):
        return reference
    return jobs.find(str(getattr(reference, "id", reference)))


def _next(ahead: timedelta) -> UUID | None:
    while any(errands.go_on(each, now=timezone.now()) for each in errands.outstanding()):
        pass
    job_id: UUID | None = _waiting(ahead).order_by("pk").values_list("pk", flat=True).first()
    return job_id


def _left(ahead: timedelta) -> str:
    return ", ".join(sorted(set(_waiting(ahead).values_list("task", flat=True))))


def _waiting(ahead: timedelta) -> Any:
    queued = Job.objects.filter(state=State.QUEUED)
    due = Job.objects.filter(state=State.SCHEDULED, available_at__lte=timezone.now() + ahead)
    return queued | due
