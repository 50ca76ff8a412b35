"""Results: telling Celery's result backend about jobs that ended outside their task.

A job that is cancelled while it waits, or lost with its worker for good, never comes back to
Celery's tracer.  Without a word here ``AsyncResult.get()`` would wait for it for ever, and a
chord would never learn that a member is missing.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import current_app, signals, states
from celery.app.task import Context
from celery.backends.base import DisabledBackend
from celery.exceptions import ChordError

from celery_jobman.core import passing
from celery_jobman.exceptions import JobLost, ResultTooLarge
from celery_jobman.models import Batch, Job
from celery_jobman.models.batch import SEQUENCES
from celery_jobman.runtime import messages, redis_results, registry
from celery_jobman.runtime.task import COLLECT
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from celery import Task

    from celery_jobman.core.rescue import Rescued

    #: A task, and the context of one of its calls.
    Call = tuple[Task, Context]

logger = logging.getLogger("celery_jobman")

#: Jobs that are read, and told of, at once.
SLICE = 500
#: Seconds after which a result backend is told of no more of the jobs that ended together.
PATIENCE = 2.0

_together: ContextVar[list[UUID] | None] = ContextVar("jobman_together", default=None)

_TOLD = ("task", "task_id", "message", "root_id", "retries", "state")
#: What an extended result holds besides.
_ARGUMENTS = ("args", "kwargs")


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
    """Tell Celery that a job was cancelled before it began; see also :func:`gathered`."""
    together = _together.get()
    if together is not None:
        together.append(job_id)
        return
    job = Job.objects.filter(pk=job_id).first()
    if job is not None:
        cancelled_job(job)


def cancelled_job(job: Job) -> None:
    """Do so of a job that was read, whose row may be gone."""
    task = registry.find(job.task)
    if task is not None:
        revoke(task, _request(job))


@contextmanager
def gathered() -> Iterator[None]:
    """Tell Celery of the jobs that are cancelled in this block all at once, when it is left."""
    together: list[UUID] = []
    token = _together.set(together)
    try:
        yield
    finally:
        _together.reset(token)
        all_cancelled(together)


def all_cancelled(job_ids: Sequence[UUID]) -> None:
    """Tell Celery of many jobs that ended without running.

    Redis is told of some hundreds at once.  Other result backends are told of one after the
    other, for at most :data:`PATIENCE` seconds, and the last link of a chain first, for that is
    the one that people wait for; the results of the others stay pending.
    """
    until, single = time.monotonic() + PATIENCE, []
    for end in range(len(job_ids), 0, -SLICE):
        single += _revoke_together(_calls(job_ids[max(end - SLICE, 0) : end]))
    single.sort(key=lambda call: call[1].chord is None)  # a chord must not wait for ever
    for number, (task, request) in enumerate(single):
        if request.chord is None and time.monotonic() >= until:
            left = len(single) - number
            logger.warning("Result backend is slow and was not told of all jobs untold=%s", left)
            return
        revoke(task, request)


def is_quick() -> bool:
    """Whether the result backend of this process is told of many jobs in no time."""
    backend = current_app.backend
    return isinstance(backend, DisabledBackend) or redis_results.is_redis(backend)


def _calls(job_ids: Sequence[UUID]) -> list[Call]:
    """Return the calls of these jobs whose ends somebody may wait for, the last first."""
    columns = {*_TOLD, *(_ARGUMENTS if current_app.conf.result_extended else ())}
    rows = Job.objects.filter(pk__in=job_ids).exclude(task=COLLECT)  # for these see stood_in
    rows = rows.only(*columns).order_by("-pk")
    known = [(task, _request(job)) for job in rows if (task := registry.find(job.task))]
    return [
        (task, request)
        for task, request in known
        if request.chord or not (request.ignore_result or isinstance(task.backend, DisabledBackend))
    ]


def _revoke_together(calls: list[Call]) -> list[Call]:
    """Revoke what can be revoked at once; return the rest."""
    together: defaultdict[int, list[Call]] = defaultdict(list)
    rest = []
    for call in calls:
        task, request = call
        if request.chord is None and redis_results.is_redis(task.backend):
            together[id(task.backend)].append(call)
        else:
            rest.append(call)
    for same in together.values():
        try:
            redis_results.revoke_all(same[0][0].backend, [request for _, request in same])
        except Exception:
            logger.exception("Results of cancelled jobs could not be stored count=%s", len(same))
    return rest


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


def stood_in(batch_id: UUID) -> None:
    """Tell Celery how a batch has ended that stands in for a task, by the id of that task.

    A chain whose last link has a result of its own has told of it already.  A failure is a
    ``ChordError``, as of a chord of Celery's.
    """
    batch = Batch.objects.without_payloads().filter(pk=batch_id, state__in=FINAL).first()
    job = _replaced_by(batch) if batch else None
    task = registry.find(job.task) if job else None
    if batch is None or job is None or task is None or _has_told(batch):
        return
    request = _request(job)
    if request.ignore_result or isinstance(task.backend, DisabledBackend):
        return
    try:
        _tell_of(batch, task, request)
    except Exception:
        logger.exception("Result of a stand-in could not be stored task_id=%s", job.task_id)


def _replaced_by(batch: Batch) -> Job | None:
    if batch.follows_id is None:
        return None
    return Job.objects.filter(pk=batch.follows_id, replaced_by=batch.id).first()


def _has_told(batch: Batch | None) -> bool:
    """Whether the end of a batch is that of a job, which was told of."""
    is_over = batch is not None and batch.state == State.SUCCEEDED
    while batch is not None and batch.kind in SEQUENCES:
        last = {"batch_id": batch.id, "next_id": None}
        job = Job.objects.members_of(batch.id).filter(**last).only("task").first()
        if job is not None:
            return is_over or job.task != COLLECT
        batch = Batch.objects.filter(**last).first()
    return False


def _tell_of(batch: Batch, task: Task, request: Context) -> None:
    store = partial(task.backend.store_result, request.id, request=request)
    if batch.state == State.FAILED:
        store(ChordError(batch.error_message or "a member has failed"), states.FAILURE)
    elif batch.state != State.SUCCEEDED:
        revoke(task, request)
    else:
        try:
            store(messages.decode(passing.value_of_batch(batch.id)), states.SUCCESS)
        except ResultTooLarge as error:
            store(error, states.FAILURE)


def _request(job: Job) -> Context:
    options = messages.decode(job.message)
    without = job.get_deferred_fields()
    return Context(
        id=job.task_id,
        task=job.task,
        args=None if "args" in without else messages.decode(job.args),
        kwargs=None if "kwargs" in without else messages.decode(job.kwargs),
        callbacks=_as_list(options.get("link")),
        errbacks=_as_list(options.get("link_error")),
        chain=options.get("chain"),
        chord=options.get("chord"),
        group=options.get("group_id"),
        group_index=options.get("group_index"),
        root_id=job.root_id,
        parent_id=options.get("parent_id"),
        # Celery stores the error of a link for all that come after it, wanted or not.
        ignore_result=bool(options.get("ignore_result")) and job.state != State.SKIPPED,
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
