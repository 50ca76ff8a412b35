"""Execution: claim a job, mark its body, judge what left it; :mod:`..seam` puts it together."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery.exceptions import Ignore
from django.utils import timezone

from celery_jobman.conf import settings
from celery_jobman.core import attempts, behind, joins, moments, schedule, troubles
from celery_jobman.core.endings import Run
from celery_jobman.exceptions import ClaimLost, ControlFlow
from celery_jobman.models import Duty, Job
from celery_jobman.models.database import atomic
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.runtime import (
    arrears,
    capture,
    connection,
    identity,
    injection,
    messages,
    outcomes,
    settling,
    supervisor,
)
from celery_jobman.runtime.running import RunningJob
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

    from celery_jobman.core.joins import Member

logger = logging.getLogger("celery_jobman")


def begin(task: Task) -> RunningJob:
    """Claim the job of the message, or adopt a message that has none.

    Raises:
        celery.exceptions.Ignore: The claim was refused.
    """
    run = _claimed(task)
    if run is None:
        logger.info("Message dropped task=%s task_id=%s", task.name, task.request.id)
        raise Ignore("stale or duplicate message")
    moments.reached("claimed")
    job = RunningJob(run, task.request)
    if not job.eager:
        injection.prepare()
    capture.attach()
    return job


def _claimed(task: Task) -> Run | None:
    tried: list[Run] = []
    try:
        with connection.private():
            return connection.patiently(lambda: _claim(task, tried), "claim")
    except Exception as error:
        header = messages.header_of(task.request)
        if header is not None and not task.request.is_eager and is_refusal(error):
            _cannot_begin(UUID(header["job"]), error)
            raise Ignore("the job could not be begun") from error
        if not isinstance(error, connection.OUTAGE):
            raise
        # The row still says queued; redelivery sends the job out again.
        logger.exception("Job could not be claimed task=%s task_id=%s", task.name, task.request.id)
        raise Ignore("the database is away") from error


def _cannot_begin(job_id: UUID, error: Exception) -> None:
    """Let a job's page say why it stays queued; its message is sent again, and it is tried anew."""
    logger.error("Job could not be claimed job=%s", job_id, exc_info=error)
    try:
        with connection.private():
            troubles.note(Duty.BEGIN, job_id, error, now=timezone.now())
    except Exception:
        logger.exception("That could not be noted job=%s", job_id)


def _claim(task: Task, tried: list[Run]) -> Run | None:
    header = messages.header_of(task.request)
    if header is None:
        return _adopt(task, tried)
    if task.request.is_eager:
        header = _next(header)
    if header.get("redelivered"):
        task.request.delivery_info = {**(task.request.delivery_info or {}), "redelivered": True}
    task.request.eta = header.get("eta", task.request.eta)
    trigger = header.get("trigger", "automatic")
    job_id = UUID(header["job"])
    if identity.is_stopping() and not task.request.is_eager:
        schedule.put_back(job_id, header["delivery"], now=timezone.now())
        return None
    member = messages.member_of(header, task.name)
    tried.append(run_of(task, job_id, header["attempt"], trigger, member))
    if attempts.claim(tried[-1], header["delivery"]):
        return tried[-1]
    return _claimed_before(tried[:-1])


def _claimed_before(tried: list[Run]) -> Run | None:
    """A connection that broke during COMMIT may have committed an earlier try."""
    return next((run for run in tried if attempts.is_begun(run)), None)


def _next(header: dict[str, Any]) -> dict[str, Any]:
    """An eager retry carries the header of the attempt before it."""
    row = Job.objects.only("attempt", "delivery").get(pk=header["job"])
    return {**header, "attempt": row.attempt + 1, "delivery": row.delivery}


def run_of(
    task: Task,
    job_id: UUID,
    number: int,
    trigger: str = "automatic",
    member: Member | None = None,
) -> Run:
    """Return the run that begins here and now."""
    worker = identity.current()
    return Run(
        job_id=job_id,
        task=task.name,
        number=number,
        started_at=timezone.now(),
        worker_id=worker.worker_id if worker else None,
        hostname=worker.hostname if worker else task.request.hostname or "",
        pid=os.getpid(),
        trigger=trigger,
        code_version=settings().code_version,
        member=member,
    )


def _adopt(task: Task, tried: list[Run]) -> Run | None:
    """Write the row of a job that ``send_task``, beat or a foreign producer enqueued."""
    request = task.request
    if (request.delivery_info or {}).get("redelivered") and _is_known(request.id):
        return None
    run = _claimed_before(tried)
    if run is not None:
        job = Job.objects.get(pk=run.job_id)
    else:
        job = messages.from_request(task, request)
        job.eager = bool(request.is_eager)
        waiting = _waiting_row(request)
        job.id = waiting or job.id
        run = run_of(task, job.id, 1, member=joins.member(job))
        tried.append(run)
        if waiting is None:
            attempts.adopt(job, run)
        elif not _claim_waiting(job, run):
            return None
    request.headers = {**(request.headers or {}), messages.HEADER: messages.header(job)}
    return run


def _claim_waiting(job: Job, run: Run) -> bool:
    with atomic():
        return behind.arrive(job, now=run.started_at) and attempts.claim(run, job.delivery)


def _waiting_row(request: Any) -> UUID | None:
    """Return the row of a link that was published by somebody who does not know its task."""
    if request.parent_id is None:
        return None
    waiting = Job.objects.filter(task_id=request.id, state=State.BLOCKED, delivery=0)
    return waiting.values_list("pk", flat=True).first()


def _is_known(task_id: str) -> bool:
    return Job.objects.filter(task_id=task_id).exists()


def judge(error: BaseException, task: Task, job: RunningJob) -> outcomes.Verdict:
    """Judge what left a task, whatever the database says meanwhile."""
    try:
        with connection.private():
            return connection.patiently(lambda: outcomes.judge(error, task, job), "outcome")
    except Job.DoesNotExist:
        return outcomes.judge(ClaimLost(), task, job)
    except connection.OUTAGE:
        logger.exception("End of an attempt could not be judged yet job=%s", job.id)
        arrears.owe(partial(_judge_late, error, task, job), job.id)
        supervisor.wake()
        return outcomes.Verdict(ending=None, error=Ignore("the database is away"))
    except Exception as trouble:
        logger.exception("End of an attempt could not be judged job=%s", job.id)
        return outcomes.hopeless(trouble)


def _judge_late(error: BaseException, task: Task, job: RunningJob) -> None:
    """The database is back: decide now where the job goes, by its row."""
    try:
        verdict = outcomes.judge(error, task, job)
    except Job.DoesNotExist:  # it was deleted: there is nothing left to write
        return
    if verdict.ending is not None:
        settling.settle_late(job, verdict.ending)


@contextmanager
def body(job: RunningJob) -> Iterator[None]:
    """Mark the part in which a cancel may be raised; save what iterations left open."""
    job.in_body = True
    left_by: BaseException | None = None
    try:
        yield
    except BaseException as error:
        left_by = error
        raise
    finally:
        job.in_body = False
        with connection.private():
            _close(job, left_by)


def _close(job: RunningJob, left_by: BaseException | None) -> None:
    try:
        job.runner.close(left_by)
    except (Exception, ControlFlow):
        logger.exception("Cursor could not be saved job=%s", job.id)
