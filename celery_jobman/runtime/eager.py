"""Eager: attempts that are made in this process, by whoever wants them made.

In Celery's eager mode (``task_always_eager``) there is no broker, and no worker.  There the jobs
of workflows, hooks and retries run here, as soon as the commit that made them due is done.
:mod:`celery_jobman.testing` makes attempts the same way.
"""

from __future__ import annotations

import logging
from collections import deque
from threading import local
from typing import TYPE_CHECKING, Any

from celery.app.trace import build_tracer
from celery.utils.functional import maybe_list

from celery_jobman.exceptions import UnknownTask
from celery_jobman.models import Job
from celery_jobman.runtime import messages, registry
from celery_jobman.states import CLAIMABLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from celery import Task

logger = logging.getLogger("celery_jobman")

#: Attempts of one job that are made one after the other, so that one that puts itself back for
#: ever comes to an end.
LIMIT = 100

_mine = local()


def run(job_ids: Iterable[UUID]) -> None:
    """Run jobs that wait, and what becomes due meanwhile, one after the other.

    Nobody waits: delays and back-offs are passed over, as Celery does when it is eager.  Called
    by the jobs that run here it only notes theirs, so that a long chain is no deep recursion.
    """
    waiting: deque[UUID] | None = getattr(_mine, "waiting", None)
    if waiting is not None:
        waiting.extend(job_ids)
        return
    _mine.waiting = waiting = deque(job_ids)
    try:
        while waiting:
            _run(waiting.popleft())
    finally:
        _mine.waiting = None


def _run(job_id: UUID) -> None:
    mine = Job.objects.filter(pk=job_id)
    for _attempt in range(LIMIT):
        if not mine.filter(state__in=sorted(CLAIMABLE)).exists():
            return
        try:
            attempt(job_id)
        except UnknownTask as error:
            logger.warning("Job is not run eagerly job=%s error=%s", job_id, error)
            return
        mine.update(eager=True)
    logger.warning("Job still wants to run after %s attempts job=%s", LIMIT, job_id)


def attempt(job_id: UUID) -> None:
    """Make one attempt of a waiting job, as the worker that took its message would.

    What the task raises is written to the job, and not raised here.

    Raises:
        UnknownTask: The job's task is not registered.  Nothing was done.
    """
    job = Job.objects.get(pk=job_id)
    task = registry.find(job.task)
    if task is None:
        raise UnknownTask(job.task)
    tracer = build_tracer(task.name, task, eager=True, propagate=False, app=task.app)
    args, kwargs = messages.decode(job.args), messages.decode(job.kwargs)
    tracer(job.task_id, args, kwargs, _request(job, task))


def _request(job: Job, task: Task) -> dict[str, Any]:
    options = messages.publish_options(job)
    return {
        "id": job.task_id,
        "task": task.name,
        "is_eager": True,
        "headers": options["headers"],
        "retries": job.retries,
        "root_id": job.root_id,
        "group": job.group_id or None,
        "callbacks": maybe_list(options.get("link")),
        "errbacks": maybe_list(options.get("link_error")),
        "chain": options.get("chain"),
        "ignore_result": options.get("ignore_result", task.ignore_result),
        "delivery_info": {"is_eager": True, "routing_key": job.queue, "priority": job.priority},
    }
