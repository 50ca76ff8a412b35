"""Jobs: writing the row, finding it again, and deleting it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DatabaseError

from celery_jobman import signals
from celery_jobman.core import bulk, hints, statements
from celery_jobman.core.redaction import preview
from celery_jobman.exceptions import DatabaseUnwritable, JobNotFound
from celery_jobman.models import Job
from celery_jobman.models.database import using
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
    with writing(job.task):
        statements.insert(alias, Job, statements.columns_of(job))
        job._state.adding, job._state.db = False, alias  # noqa: SLF001 - as save() leaves it
    signals.announce(signals.job_enqueued, alias, job.id, task=job.task)
    return job


def block(rows: Sequence[Job], *, now: datetime) -> None:
    """Write the rows of jobs that wait for another one, in the caller's transaction.

    Args:
        rows: Unsaved jobs, blocked.
        now: Aware datetime of the request.

    Raises:
        DatabaseUnwritable: The database refused a row.
    """
    for row in rows:
        row.created_at = now
    with writing(rows[0].task):
        bulk.insert_all(Job, rows)
    for row in rows:
        signals.announce(signals.job_enqueued, using(), row.id, task=row.task)


def follow(job: Job, *, now: datetime) -> None:
    """Write the row of a job that follows from an end, in that end's transaction.

    It is due at once, unless it says when.  It is sent after the commit.

    Args:
        job: An unsaved job with an id, a task, a queue and arguments.
        now: Aware datetime of the end.

    Raises:
        django.db.DatabaseError: As the database raised it, for the end is not written either,
            and whoever writes that knows what to do.
    """
    job.task_id, job.state = str(job.id), State.SCHEDULED
    job.created_at, job.available_at = now, max(now, job.available_at or now)
    job.preview = preview(*job.arguments)
    alias = using()
    statements.insert(alias, Job, statements.columns_of(job))
    signals.announce(signals.job_enqueued, alias, job.id, task=job.task)
    hints.due([job.id])


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Say what it was that the database refused.

    Raises:
        DatabaseUnwritable: In place of what the database raised.
    """
    try:
        yield
    except DatabaseError as error:
        raise DatabaseUnwritable(what, error) from error


def announce_end(job: Job, to: State) -> None:
    """Signal, after the commit, that a job has ended without being run."""
    values = {"task": job.task, "attempt": job.attempt, "state": to}
    signals.announce(signals.job_finished, using(), job.id, **values)


def announce_ends(job_ids: Sequence[UUID], to: State) -> None:
    """Do so for many, which are read if anybody listens."""
    if signals.job_finished.receivers:
        for job in Job.objects.filter(pk__in=job_ids).only("task", "attempt"):
            announce_end(job, to)


def find(reference: str | UUID) -> Job:
    """Return the job with this id, or the newest with this Celery task id.

    Raises:
        JobNotFound: There is none.
    """
    job_id = as_uuid(reference)
    job = Job.objects.filter(pk=job_id).first() if job_id else None
    job = job or Job.objects.filter(task_id=str(reference)).order_by("-id").first()
    if job is None:
        raise JobNotFound(reference)
    return job


def as_uuid(reference: str | UUID) -> UUID | None:
    """Return an id that may be given as text; None when it is none."""
    if isinstance(reference, UUID):
        return reference
    try:
        return UUID(reference)
    except ValueError:
        return None
