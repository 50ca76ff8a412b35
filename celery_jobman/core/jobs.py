"""Jobs: writing the row, finding it again, and deleting it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DatabaseError

from celery_jobman import signals
from celery_jobman.core import statements
from celery_jobman.exceptions import DatabaseUnwritable, JobNotFound
from celery_jobman.models import Job
from celery_jobman.models.database import using

if TYPE_CHECKING:
    from datetime import datetime


def enqueue(job: Job, *, now: datetime) -> Job:
    """Write a job's row in the caller's transaction.

    The row comes before the message: what is not written here is never sent.  A job whose
    ``available_at`` is set waits for it; any other is written as queued, and its message is
    expected to leave as soon as the transaction commits.  Should the process die in between,
    redelivery sends it.

    Args:
        job: An unsaved job that names its task, queue and arguments.
        now: Aware datetime of the request.

    Returns:
        The same object, saved.

    Raises:
        DatabaseUnwritable: The database refused the row (it is away or read-only).  Nothing
            was written and nothing will be sent.
    """
    job.created_at = now
    if job.available_at is None:
        job.queued_at, job.delivery = now, 1
    alias = using()
    try:
        statements.insert(alias, Job, statements.columns_of(job))
        job._state.adding, job._state.db = False, alias  # noqa: SLF001 - as save() leaves it
    except DatabaseError as error:
        raise DatabaseUnwritable(job.task, error) from error
    signals.announce(signals.job_enqueued, alias, job.id, task=job.task)
    return job


def find(reference: str | UUID) -> Job:
    """Return the job with this id, or the newest with this Celery task id.

    Raises:
        JobNotFound: There is none.
    """
    job_id = _as_uuid(reference)
    job = Job.objects.filter(pk=job_id).first() if job_id else None
    job = job or Job.objects.filter(task_id=str(reference)).order_by("-id").first()
    if job is None:
        raise JobNotFound(reference)
    return job


def _as_uuid(reference: str | UUID) -> UUID | None:
    if isinstance(reference, UUID):
        return reference
    try:
        return UUID(reference)
    except ValueError:
        return None
