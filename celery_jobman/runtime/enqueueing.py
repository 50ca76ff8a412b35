"""Enqueueing: what ``JobTask.apply_async`` does once it is known to make a job."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery import current_task
from django.apps import apps
from django.core.exceptions import AppRegistryNotReady
from django.utils import timezone

from celery_jobman.core import behind, jobs, joins
from celery_jobman.exceptions import DatabaseUnwritable
from celery_jobman.models import Job
from celery_jobman.models.database import atomic
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.runtime import broker, connection, messages, placing, propagation
from celery_jobman.runtime.running import current_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Task
    from celery.result import AsyncResult

    from celery_jobman.runtime.running import RunningJob

logger = logging.getLogger("celery_jobman")

#: Options that must stay with the call, because they cannot be written to a row.
OF_THIS_CALL = ("producer", "publisher", "connection", "router")


def is_installed() -> bool:
    """Whether Django is set up and ``celery_jobman`` is one of its apps."""
    try:
        return apps.is_installed("celery_jobman")
    except AppRegistryNotReady:
        return False


def enqueue(task: Task, args: Any, kwargs: Any, options: dict[str, Any]) -> AsyncResult:
    """Write a job and see to its message; or note the retry of the job that runs.

    Raises:
        UnencodableValue: An argument is not JSON.  Nothing was written or sent.
        DatabaseUnwritable: The row could not be written.  Nothing was sent.
    """
    here = current_job()
    if here is not None and _is_retry(task, options, here):
        here.next_attempt = _retried(task, args, kwargs, options, here)
        return task.AsyncResult(here.task_id)
    _inherit(task, options)
    row_id = options.pop(behind.KEY, None)
    followers = placing.taken_from(options)
    job = messages.compose(task, args, kwargs, options.pop("task_id", None), options)
    job.id = UUID(row_id) if row_id else job.id
    _relate(job, here)
    rows = placing.place(job, followers, options, task.app) if followers else []
    if followers and here is not None and here.run.member is not None:
        here.handed_on |= placing.is_handed_on(here.request, options)
    is_link = row_id is not None
    write = _write_somehow if is_link and not _is_ending(here) else _write
    is_to_go = _publish(task, job, options, partial(write, job, rows, waited=is_link))
    result = _result(task, job, options)
    if is_to_go and job.available_at is None:
        with connection.enqueueing():
            _send(task, job, _of_an_end(options) if _is_ending(here) else options, result)
    _note_child(task, result, options)
    return result


def _publish(task: Task, job: Job, options: dict[str, Any], write: Callable[[], bool]) -> bool:
    """Write a row as whoever watches publishes sees it; return whether its message may go."""
    is_to_go: list[bool] = []

    def take() -> None:
        with connection.enqueueing():
            is_to_go.append(write())

    if not propagation.is_watched(task):
        take()
        return is_to_go[0]
    headers = propagation.publish(task, job, take)
    if headers is not None:
        options["headers"] = headers
    return any(is_to_go)


def _write(job: Job, rows: list[Job], *, waited: bool) -> bool:
    """Write a job, and those that wait for it; return whether its message may go."""
    now = timezone.now()
    if not (waited or rows):
        jobs.enqueue(job, now=now)
        return True
    with atomic():
        is_to_go = behind.arrive(job, now=now) if waited else bool(jobs.enqueue(job, now=now))
        if rows:
            jobs.block(rows, now=now)
    return is_to_go


def _write_somehow(job: Job, rows: list[Job], *, waited: bool) -> bool:
    """Write a link that Celery publishes; one that is refused has failed, and says why.

    Nobody would come back to it, and those behind it would wait for ever.
    """
    try:
        return _write(job, rows, waited=waited)
    except Exception as error:
        cause = error.__cause__ if isinstance(error, DatabaseUnwritable) else error
        if not isinstance(cause, Exception) or not is_refusal(cause):
            raise
        logger.exception("A link could not be enqueued job=%s", job.id)
        with atomic():
            joins.fail_link(job.id, job.parent_id or job.id, cause, now=timezone.now())
        return False


def _retried(
    task: Task, args: Any, kwargs: Any, options: dict[str, Any], here: RunningJob
) -> dict[str, Any]:
    """Return the columns that a retry changes, with the headers of the attempt that asks for it."""
    came_with = messages.foreign_headers(here.request)
    options["headers"] = {**came_with, **(options.get("headers") or {})}
    columns = messages.changed_by_retry(task, args, kwargs, options)
    place = {"id": here.id, "task_id": here.task_id, "task": task.name, "attempt": here.attempt}
    job = Job(**place, root_id=options.get("root_id") or here.task_id, **columns)
    propagation.stamp(task, job)
    return {name: getattr(job, name) for name in columns}


def _is_retry(task: Task, options: dict[str, Any], here: RunningJob) -> bool:
    """Celery's ``retry`` and our own publish the task anew under its own id."""
    same = options.get("task_id") == here.task_id and task.name == here.task
    return same and (options.get("retries") or 0) > (here.request.retries or 0)


def _inherit(task: Task, options: dict[str, Any]) -> None:
    """Take from the task that runs here what Celery takes; the message leaves elsewhere."""
    parent = task.app.current_worker_task
    if not parent:
        return
    request = parent.request
    options["root_id"] = options.get("root_id") or request.root_id or request.id
    options["parent_id"] = options.get("parent_id") or request.id
    if task.app.conf.task_inherit_parent_priority and options.get("priority") is None:
        options["priority"] = (request.delivery_info or {}).get("priority")


def _relate(job: Job, here: RunningJob | None) -> None:
    if here is None:
        _relate_to_message(job)
    if here is None or here.eager:
        return
    job.parent_id = here.id
    if job.task_id == here.task_id:
        here.replaced_by = job.id


def _relate_to_message(job: Job) -> None:
    """The next link of a chain is published after the body, while its request is still there."""
    request = getattr(current_task, "request", None)
    header = messages.header_of(request) if request and not request.called_directly else None
    if header is not None:
        job.parent_id = UUID(header["job"])


def _is_ending(here: RunningJob | None) -> bool:
    return here is not None and here.is_ending


def _of_an_end(options: dict[str, Any]) -> dict[str, Any]:
    """What follows a job leaves after the commit of its end, when no producer is held any more."""
    kept = {name: value for name, value in options.items() if name not in OF_THIS_CALL}
    return {**kept, "after_commit": True}


def _send(task: Task, job: Job, options: dict[str, Any], result: AsyncResult) -> None:
    # send_task hands out the caller's own result: one that it made itself would be dropped at
    # once, and take the caller's subscription to the result backend with it.
    live = {name: options[name] for name in OF_THIS_CALL if options.get(name) is not None}
    live |= {"result_cls": lambda _: result, "task_type": task}
    broker.publish_on_commit(job, app=task.app, options=options, **live)


def _result(task: Task, job: Job, options: dict[str, Any]) -> AsyncResult:
    result = task.AsyncResult(job.task_id)
    result.ignored = options.get("ignore_result")
    return result


def _note_child(task: Task, result: AsyncResult, options: dict[str, Any]) -> None:
    parent = task.app.current_worker_task
    if parent and options.get("add_to_parent", True):
        parent.add_trail(result)
