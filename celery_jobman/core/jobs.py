"""Jobs: writing the row, finding it again, and deleting it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import DatabaseError

from celery_jobman import signals
from celery_jobman.core import bulk, fallbacks, hints, statements
from celery_jobman.core.encoding import clean
from celery_jobman.core.faults import Fault
from celery_jobman.core.redaction import preview
from celery_jobman.exceptions import DatabaseUnwritable, JobNotFound
from celery_jobman.models import Job
from celery_jobman.models.database import using
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.models.job import NAME_LENGTH
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

    It is due at once, unless it says when, and sent after the commit.  Its owner is left out if
    there is no such user any more.  What the database refuses to enqueue is written as a failed
    job that says why, if the end is written part by part (see
    :mod:`celery_jobman.core.fallbacks`).

    Args:
        job: An unsaved job with an id, a task, a queue and arguments.
        now: Aware datetime of the end.

    Raises:
        django.db.DatabaseError: As the database raised it, where the end is written as a whole.
    """
    fallbacks.part(lambda: _follow(job, now), lambda refusal: write_failed(job, refusal, now=now))


def _follow(job: Job, now: datetime) -> None:
    job.task_id, job.state = str(job.id), State.SCHEDULED
    job.created_at, job.available_at = now, max(now, job.available_at or now)
    job.preview = preview(*job.arguments)
    job.owner_id = living(job.owner_id)
    _insert(job)
    hints.due([job.id])


def write_failed(job: Job, error: Exception, *, now: datetime) -> None:
    """Write the row of a job that could not be enqueued, as failed, in the current transaction.

    Args:
        job: The unsaved job.  What the database does not take of it is left out.
        error: Why it could not be enqueued.
        now: Aware datetime of that.
    """
    job.task_id, job.state = str(job.id), State.FAILED
    job.created_at = job.finished_at = job.last_failed_at = now
    job.available_at = job.queued_at = None
    fault = Fault.of(error)
    job.error_class, job.fingerprint = fault.error_class, fault.fingerprint
    job.error_message = f"it could not be enqueued: {fault.error_message}"
    with fallbacks.carefully():
        fallbacks.part(lambda: _insert(job), lambda _: _insert(_bare(job)))


def _bare(job: Job) -> Job:
    """Return a job of which only what the package itself has made is kept."""
    columns = ("id", "task_id", "state", "created_at", "finished_at", "parent_id", "batch_id")
    kept = {name: getattr(job, name) for name in (*columns, "role", "root_id", "error_class")}
    names = {name: clean(str(getattr(job, name)), NAME_LENGTH) for name in ("task", "queue")}
    return Job(**kept, **names, error_message=clean(job.error_message, NAME_LENGTH))


def _insert(job: Job) -> None:
    alias = using()
    statements.insert(alias, Job, statements.columns_of(job))
    signals.announce(signals.job_enqueued, alias, job.id, task=job.task)


def living(owner_id: Any) -> Any:
    """Return the key of a user who is still there; None for one who was deleted meanwhile."""
    if owner_id is None:
        return None
    users = get_user_model()._default_manager.using(using())  # noqa: SLF001 - documented by Django
    return owner_id if users.filter(pk=owner_id).exists() else None


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Say what it was that the database refused.

    Raises:
        DatabaseUnwritable: In place of what the database raised.
    """
    try:
        yield
    except DatabaseError as error:
        raise DatabaseUnwritable(what, error, is_refusal=is_refusal(error)) from error


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
