"""Results: telling Celery's result backend about jobs that ended outside their task.

A job that is cancelled while it waits, or lost with its worker for good, never comes back to
Celery's tracer.  Without a word here ``AsyncResult.get()`` would wait for it for ever, and a
chord would never learn that a member is missing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.app.task import Context

from celery_jobman.exceptions import JobLost
from celery_jobman.models import Job
from celery_jobman.runtime import messages, registry
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from celery import Task

    from celery_jobman.core.rescue import Rescued

logger = logging.getLogger("celery_jobman")


def revoke(task: Task, request: Any) -> None:
    """Set Celery's result of a cancelled job to REVOKED."""
    if request.is_eager:
        return
    try:
        task.backend.mark_as_revoked(
            request.id, "cancelled", request=request, store_result=not request.ignore_result
        )
    except Exception:
        logger.exception("Result of a cancelled job could not be stored task_id=%s", request.id)


def cancelled(job_id: UUID) -> None:
    """Tell Celery that a job was cancelled before it began."""
    job = Job.objects.filter(pk=job_id).first()
    task = registry.find(job.task) if job else None
    if job is not None and task is not None:
        revoke(task, _request(job))


def ended(rescued: Iterable[Rescued]) -> None:
    """Tell Celery of the jobs among ``rescued`` that will not run again."""
    for entry in rescued:
        if entry.state == State.FAILED:
            failed(entry.job_id, JobLost(entry.error))
        elif entry.state == State.CANCELLED:
            cancelled(entry.job_id)


def failed(job_id: UUID, error: Exception) -> None:
    """Tell Celery that a job failed for good, and let its error callbacks run."""
    job = Job.objects.filter(pk=job_id).first()
    task = registry.find(job.task) if job else None
    if job is None or task is None:
        return
    request = _request(job)
    stored = not request.ignore_result or task.store_errors_even_if_ignored
    try:
        task.backend.mark_as_failure(job.task_id, error, request=request, store_result=stored)
    except Exception:
        logger.exception("Result of a lost job could not be stored task_id=%s", job.task_id)
    args, kwargs = request.args, request.kwargs
    signals.task_failure.send(
        sender=task, task_id=job.task_id, exception=error, args=args, kwargs=kwargs,
        traceback=None, einfo=None,
    )  # fmt: skip


def _request(job: Job) -> Context:
    options = messages.decode(job.message)
    return Context(
        id=job.task_id,
        task=job.task,
        args=messages.decode(job.args),
        kwargs=messages.decode(job.kwargs),
        callbacks=_as_list(options.get("link")),
        errbacks=_as_list(options.get("link_error")),
        chain=options.get("chain"),
        chord=options.get("chord"),
        group=options.get("group_id"),
        group_index=options.get("group_index"),
        root_id=job.root_id,
        parent_id=options.get("parent_id"),
        ignore_result=bool(options.get("ignore_result", False)),
        reply_to=options.get("reply_to"),
        correlation_id=job.task_id,
        retries=job.retries,
        delivery_info={},
        called_directly=False,
    )


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
