"""Rows for tests.  Each factory fills in what the test does not care about."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection

from celery_jobman.core.endings import Run
from celery_jobman.core.logs import Line
from celery_jobman.core.steps import StepRunner
from celery_jobman.models import Attempt, Batch, Job, LogLine, Outcome, Step, StepState, Worker
from celery_jobman.models.ids import uuid7
from celery_jobman.states import FINAL, State

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


#: By vendor: a moment that a column holds, and that Python has no words for.
UNREADABLE = {
    "postgresql": "timestamptz '10000-01-01 04:59:59+00'",
    "sqlite": "'2030-13-45 00:00:00'",
    "mysql": "'2030-00-00 00:00:00'",
}


def spoil(job: Job) -> None:
    """Write something into a job's row that cannot be read, as only SQL can."""
    key = Job._meta.pk.get_db_prep_value(job.pk, connection)
    moment = UNREADABLE[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE jobman_job SET expires_at = {moment} WHERE id = %s", [key])  # noqa: S608


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


def batch(state: State = State.RUNNING, **fields: Any) -> Batch:
    """Return a saved batch; all its members are pending unless it is said how they ended."""
    row = Batch(state=state, created_at=EARLIER, **fields)
    row.root_id = fields.get("root_id", row.id)
    ended = row.succeeded + row.failed + row.cancelled + row.skipped
    row.total = fields.get("total", row.pending + ended)
    row.pending = row.total - ended
    row.finished_at = NOON if row.is_final else None
    row.save(force_insert=True)
    return row


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


def begun_batch(state: State = State.RUNNING, **fields: Any) -> Batch:
    """Return a batch that was started; what is not told of its total is pending, or succeeded."""
    batch_id = fields.pop("id", None) or uuid7()
    told = {name: fields.pop(name, 0) for name in ("failed", "cancelled", "skipped")}
    total = fields.pop("total", 0)
    left = total - sum(told.values()) - fields.get("succeeded", 0)
    counts = {"succeeded": left} if state in FINAL else {"pending": left}
    times = {} if state == State.BLOCKED else {"started_at": EARLIER}
    ended = {"finished_at": NOON, "finishes": 1} if state in FINAL else {}
    defaults = {"root_id": batch_id, "created_at": EARLIER, **times, **ended}
    rest = {**defaults, "total": total, **counts, **told, **fields}
    return Batch.objects.create(id=batch_id, state=state, **rest)


def nested(parent: Batch, state: State = State.RUNNING, **fields: Any) -> Batch:
    """Return a batch that is a member of another."""
    place = {"batch_id": parent.pk, "root_id": parent.root_id, "position": 0}
    return begun_batch(state, **{**place, **fields})


def member(of: Batch, state: State = State.QUEUED, **fields: Any) -> Job:
    """Return a job that is a member of a batch."""
    return job_in(state, **{"batch_id": of.pk, "position": 0, **fields})


def linked(*links: Job | Batch) -> None:
    """Make rows the links of one element, in this order."""
    for before, after in pairwise(links):
        type(before).objects.filter(pk=before.pk).update(next_id=after.pk)
        type(after).objects.filter(pk=after.pk).update(follows_id=before.pk)
