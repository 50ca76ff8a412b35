"""Execution: claim, run the body, end the attempt; what ``JobTask.__call__`` does."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery.exceptions import Ignore
from django.utils import timezone

from celery_jobman.conf import settings
from celery_jobman.core import attempts, moments, schedule
from celery_jobman.core.endings import Ending, Fault, Run
from celery_jobman.exceptions import ClaimLost, ControlFlow
from celery_jobman.models import Attempt, Job, Outcome
from celery_jobman.runtime import (
    arrears,
    broker,
    capture,
    connection,
    identity,
    injection,
    messages,
    outcomes,
    results,
    supervisor,
)
from celery_jobman.runtime.running import RunningJob, current_job, running
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task


logger = logging.getLogger("celery_jobman")


def execute(task: Task, args: Any, kwargs: Any) -> Any:
    """Run one attempt of the job that ``task.request`` carries.

    Returns:
        What the task returned.

    Raises:
        celery.exceptions.Ignore: The message is stale or a duplicate, or the job was
            cancelled; Celery acknowledges the message and does nothing.
        celery.exceptions.Retry: The job will run again; its row says when.
        Exception: The job failed for good with this.
    """
    job = begin(task)
    with running(job):
        verdict = _run(task, job, args, kwargs)
        to = settle(job, verdict.ending) if verdict.ending is not None else None
    if to == State.CANCELLED:
        results.revoke(task, job.request)
        raise Ignore("cancelled")
    if to == State.SCHEDULED and not job.eager:
        broker.send_if_due(job.id)
    if verdict.error is not None:
        raise verdict.error
    return verdict.value


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
        supervisor.wake()
    capture.attach()
    return job


def _claimed(task: Task) -> Run | None:
    tried: list[Run] = []
    try:
        with connection.private():
            return connection.patiently(lambda: _claim(task, tried), "claim")
    except connection.OUTAGE as error:
        # The row still says queued; redelivery sends the job out again.
        logger.exception("Job could not be claimed task=%s task_id=%s", task.name, task.request.id)
        raise Ignore("the database is away") from error


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
    tried.append(run_of(task, job_id, header["attempt"], trigger))
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


def run_of(task: Task, job_id: UUID, number: int, trigger: str = "automatic") -> Run:
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
    )


def _adopt(task: Task, tried: list[Run]) -> Run | None:
    """Write the row of a job that ``send_task``, beat or a foreign producer enqueued."""
    request = task.request
    if (request.delivery_info or {}).get("redelivered") and _is_known(request.id):
        return None
    run = _claimed_before(tried)
    if run is None:
        job = messages.from_request(task, request)
        job.eager = bool(request.is_eager)
        run = run_of(task, job.id, 1)
        tried.append(run)
        attempts.adopt(job, run)
    else:
        job = Job.objects.get(pk=run.job_id)
    request.headers = {**(request.headers or {}), messages.HEADER: messages.header(job)}
    return run


def _is_known(task_id: str) -> bool:
    return Job.objects.filter(task_id=task_id).exists()


def _run(task: Task, job: RunningJob, args: Any, kwargs: Any) -> outcomes.Verdict:
    try:
        with body(job):
            moments.reached("before body")
            value = task.run(*args, **kwargs)
        return outcomes.returned(task, job, value)
    except BaseException as error:  # noqa: BLE001 - control flow must not reach Celery
        return _judge(error, task, job)


def _judge(error: BaseException, task: Task, job: RunningJob) -> outcomes.Verdict:
    try:
        with connection.private():
            return connection.patiently(lambda: outcomes.judge(error, task, job), "outcome")
    except Job.DoesNotExist:
        return outcomes.judge(ClaimLost(), task, job)
    except connection.OUTAGE:
        logger.exception("End of an attempt could not be judged yet job=%s", job.id)
        arrears.owe(partial(_judge_late, error, task, job))
        supervisor.wake()
        return outcomes.Verdict(ending=None, error=Ignore("the database is away"))
    except Exception as trouble:
        logger.exception("End of an attempt could not be judged job=%s", job.id)
        return outcomes.hopeless(trouble)


def _judge_late(error: BaseException, task: Task, job: RunningJob) -> None:
    """The database is back: decide now where the job goes, by its row."""
    verdict = outcomes.judge(error, task, job)
    if verdict.ending is not None:
        _finish(job, _complete(job, verdict.ending))


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


def settle(job: RunningJob, ending: Ending) -> State:
    """End the attempt in the database.

    Returns:
        Where the job went: where ``ending`` says, or cancelled if that was asked for.

    Raises:
        celery.exceptions.Ignore: The attempt no longer holds the job.  Nothing was written.
    """
    moments.reached("finishing")
    full = _complete(job, ending)
    to = full.to
    try:
        with connection.private(), job.lock:
            to = connection.patiently(lambda: _finish(job, full), "finish")
    except ClaimLost:
        logger.warning("Attempt lost its claim job=%s attempt=%s", job.id, job.attempt)
        raise Ignore("the job runs elsewhere") from None
    except connection.OUTAGE:
        logger.exception("End of an attempt could not be written yet job=%s", job.id)
        arrears.owe(partial(_finish, job, full))
        supervisor.wake()
    except Exception as error:
        logger.exception("End of an attempt was refused by the database job=%s", job.id)
        to = _finish_bare(job, full, error)
    moments.reached("finished")
    return to


def _finish_bare(job: RunningJob, ending: Ending, error: Exception) -> State:
    """Something of the task's own could not be stored: end the job without any of it."""
    job.lines_dropped += len(job.lines)
    job.lines.clear()
    if ending.to == State.SUCCEEDED:
        bare = Ending(outcome=ending.outcome, to=ending.to)
    else:
        bare = Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=Fault.of(error))
    bare = replace(bare, lines_dropped=job.lines_dropped)
    with connection.private():
        return _finish(job, bare)


def _complete(job: RunningJob, ending: Ending) -> Ending:
    step = "" if ending.to == State.SUCCEEDED else job.runner.stopped_in
    progress = job.report.columns(timezone.now(), step) if job.report else {}
    changes = {"current_step": step, **progress, **ending.changes}
    return replace(
        ending,
        changes=changes,
        resumed_from=job.runner.resumed_from,
        lines_dropped=job.lines_dropped,
    )


def _finish(job: RunningJob, ending: Ending) -> State:
    to = ending.to
    try:
        to = attempts.finish(job.run, ending, now=timezone.now(), lines=job.last_lines()).to
    except ClaimLost:
        if not _was_written(job):
            raise
    job.lines.clear()
    return to


def _was_written(job: RunningJob) -> bool:
    """A connection that broke during COMMIT may have committed before the second try."""
    mine = Attempt.objects.filter(job_id=job.id, number=job.attempt, pid=job.run.pid)
    return mine.filter(worker_id=job.run.worker_id, started_at=job.run.started_at).exists()


def is_nested(task: Task) -> bool:
    """Whether the task is called as a function by the body of the very job that runs."""
    job = current_job()
    return job is not None and job.request is task.request
