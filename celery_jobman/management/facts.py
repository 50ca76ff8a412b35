"""Facts: rows as the plain values that ``--json`` prints.  Secrets are masked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from celery_jobman.core.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery_jobman.models import Attempt, Batch, Job, JobAction, LogLine, Step, Worker

_BRIEF = (
    "id", "state", "task", "queue", "preview", "created_at", "attempt", "current_step",
    "progress_current", "progress_total", "error_message",
)  # fmt: skip
_JOB = (
    "id", "state", "task", "task_id", "label", "queue", "priority", "created_at", "available_at",
    "expires_at", "queued_at", "started_at", "finished_at", "attempt", "failures", "crashes",
    "releases", "max_attempts", "trigger", "worker_id", "pid", "current_step", "progress_current",
    "progress_total", "progress_unit", "progress_message", "progress_at", "completed_code",
    "error_class", "error_message", "last_failed_at", "cancel_requested_at", "cancel_forced",
    "dispatch_error", "refused_at", "parent_id", "root_id", "group_id", "owner_id", "tags",
    "retry_of", "replaced_by", "code_version", "observed", "eager", "declared_steps", "batch_id",
    "role", "position", "follows_id", "next_id", "stopped_by", "allow_failure",
)  # fmt: skip
_ATTEMPT = (
    "number", "outcome", "started_at", "finished_at", "error_class", "error_message", "traceback",
    "hostname", "worker_id", "pid", "resumed_from", "trigger", "code_version", "lines_dropped",
)  # fmt: skip
_STEP = (
    "name", "position", "state", "attempt", "started_at", "finished_at", "done", "total",
    "error_message", "superseded",
)  # fmt: skip
_BATCH = (
    "root_id", "batch_id", "position", "follows_id", "next_id", "allow_failure", "stopped_by",
    "excused", "allow_failures", "on_failure", "opening", "stopping", "error_job_id", "finishes",
    "owner_id", "tags", "cancel_requested_at",
)  # fmt: skip
_LINE = ("id", "at", "attempt", "step", "level", "logger", "message", "extra")
_ACTION = ("verb", "at", "actor", "reason", "changes")
_WORKER = (
    "id", "hostname", "pid", "pool", "concurrency", "queues", "reserved",
    "versions", "started_at", "seen_at", "stopped_at",
)  # fmt: skip


def _columns(row: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def brief(job: Job) -> dict[str, Any]:
    """Return what a list says of a job."""
    return _columns(job, _BRIEF)


def job(job: Job) -> dict[str, Any]:
    """Return all there is to know of a job, except its message options."""
    args, kwargs = job.arguments
    values = {"args": args, "kwargs": kwargs, "result": job.return_value, "attribs": job.attribs}
    return {**_columns(job, _JOB), **redacted(values)}


def attempt(attempt: Attempt) -> dict[str, Any]:
    """Return what is kept of an attempt."""
    return _columns(attempt, _ATTEMPT)


def step(step: Step) -> dict[str, Any]:
    """Return what is kept of a step; of skipped items their number."""
    values = {"result": step.checkpoint, "cursor": step.cursor_value, "skipped": len(step.skipped)}
    return {**_columns(step, _STEP), **redacted(values)}


def skipped(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an item that an iteration passed over."""
    return {name: redacted(value) for name, value in entry.items()}


def line(line: LogLine) -> dict[str, Any]:
    """Return a log line."""
    return _columns(line, _LINE)


def action(action: JobAction) -> dict[str, Any]:
    """Return what a person did to a job."""
    return _columns(action, _ACTION)


def batch(batch: Batch) -> dict[str, Any]:
    """Return all there is to know of a batch, except its callbacks."""
    return {**batch.status, **_columns(batch, _BATCH)}


def worker(worker: Worker) -> dict[str, Any]:
    """Return what a worker says of itself."""
    return _columns(worker, _WORKER)


def plain(value: Any) -> str:
    """Return a JSON value as text for people, secrets masked."""
    return json.dumps(redacted(value), ensure_ascii=False, default=str)
