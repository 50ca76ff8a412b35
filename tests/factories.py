"""Rows for tests.  Each factory fills in what the test does not care about."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from celery_jobman.core.endings import Run
from celery_jobman.core.logs import Line
from celery_jobman.core.steps import StepRunner
from celery_jobman.models import Attempt, Job, LogLine, Outcome, Step, StepState, Worker
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
EARLIER = NOON - timedelta(minutes=5)
LATER = NOON + timedelta(minutes=5)


def unsaved_job(**fields: Any) -> Job:
    job_id = fields.pop("id", None) or uuid7()
    defaults = {"task": "demo.add", "task_id": str(job_id), "queue": "celery"}
    return Job(id=job_id, **{**defaults, "state": State.QUEUED, "created_at": EARLIER, **fields})


def queued_job(**fields: Any) -> Job:
    job = unsaved_job(**{"delivery": 1, "queued_at": EARLIER, **fields})
    job.save(force_insert=True)
    return job


def scheduled_job(**fields: Any) -> Job:
    return queued_job(**{"state": State.SCHEDULED, "available_at": EARLIER, **fields})


def blocked_job(**fields: Any) -> Job:
    return queued_job(**{"state": State.BLOCKED, **fields})


def running_job(**fields: Any) -> Job:
    return queued_job(**{"state": State.RUNNING, "attempt": 1, "started_at": EARLIER, **fields})


def finished_job(state: State = State.FAILED, **fields: Any) -> Job:
    ended = {"state": state, "attempt": 1, "started_at": EARLIER, "finished_at": NOON}
    return queued_job(**{**ended, **fields})


def job_in(state: State, **fields: Any) -> Job:
    """Return a job in any state."""
    makers = {
        State.SCHEDULED: scheduled_job,
        State.BLOCKED: blocked_job,
        State.QUEUED: queued_job,
        State.RUNNING: running_job,
    }
    return makers[state](**fields) if state in makers else finished_job(state, **fields)


def worker(*, seen: datetime = NOON, **fields: Any) -> Worker:
    defaults = {"id": uuid7(), "hostname": "w1@host", "pid": 4711, "pool": "prefork"}
    return Worker.objects.create(**{**defaults, "started_at": EARLIER, "seen_at": seen, **fields})


def run_of(job: Job, **fields: Any) -> Run:
    """Return the run that a running job's attempt is."""
    defaults = {"job_id": job.id, "task": job.task, "number": job.attempt, "started_at": EARLIER}
    return Run(**{**defaults, **fields})


def next_run_of(job: Job, **fields: Any) -> Run:
    """Return a run that wants to claim a waiting job."""
    return run_of(job, **{"number": job.attempt + 1, "started_at": NOON, **fields})


def attempt(job: Job, **fields: Any) -> Attempt:
    defaults = {"number": job.attempt, "outcome": Outcome.FAILED}
    times = {"started_at": EARLIER, "finished_at": NOON}
    return Attempt.objects.create(job=job, **{**defaults, **times, **fields})


def checkpoint(job: Job, name: str, result: Any = None, **fields: Any) -> Step:
    """Return a step that an attempt of ``job`` has finished."""
    defaults = {"position": job.steps.count(), "state": StepState.SUCCEEDED, "attempt": 1}
    times = {"started_at": EARLIER, "finished_at": NOON}
    row = {"job_id": job.id, "name": name, "result": json.dumps(result)}
    return Step.objects.create(**{**row, **defaults, **times, **fields})


def line(job: Job, message: str = "hello", **fields: Any) -> Line:
    """Return a line that is not written yet."""
    values = {"job_id": job.id, "attempt": job.attempt, "step": "", "at": NOON, "level": 20}
    return Line(**{**values, "logger": "demo", "message": message, "extra": None, **fields})


def log_line(job: Job, message: str = "hello", **fields: Any) -> LogLine:
    return LogLine.objects.create(**line(job, message, **fields)._asdict())


def runner_of(job: Job, number: int = 1, **options: Any) -> StepRunner:
    """Return the steps of the attempt of this number, which holds the job from now on."""
    held = {"state": State.RUNNING, "started_at": EARLIER, "finished_at": None}
    Job.objects.filter(pk=job.id).update(attempt=number, **held)
    return StepRunner(job.id, number, **options)
