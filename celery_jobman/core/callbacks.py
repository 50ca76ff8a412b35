"""Callbacks: jobs that a batch starts when a first member fails, or when it has finished.

A batch keeps them as templates, columns of jobs to come.  The row of each is written by the
very transaction that closes the batch, so it is there exactly once for each finish.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from celery_jobman.core import jobs, links
from celery_jobman.core.passing import prefixed
from celery_jobman.models import Batch, Job, Role
from celery_jobman.models.ids import uuid7

if TYPE_CHECKING:
    from uuid import UUID

#: Columns that a template keeps of a job.
KEPT = (
    "task", "label", "queue", "priority", "args", "kwargs", "message", "declared_steps",
    "max_attempts", "tags", "attribs", "owner_id", "code_version", "takes_result",
)  # fmt: skip

#: When a job from a template may begin, and until when.
DURATIONS = ("delay", "expires_after")
MOMENTS = ("available_at", "expires_at")

#: How many arguments each kind is given before its own, unless it is immutable.
TOLD = MappingProxyType({Role.THEN: 1, Role.CATCH: 2, Role.FINALLY: 1, Role.PROGRESS: 2})

#: ``on_progress`` is told at most this often, and once more when the batch finishes.
PROGRESS_EVERY = timedelta(seconds=5)


def template(job: Job) -> dict[str, Any]:
    """Return the columns of an unsaved job from which :func:`fire` makes jobs."""
    return {**{name: getattr(job, name) for name in KEPT}, "timing": _timing(job)}


def _timing(job: Job) -> dict[str, Any]:
    """Return when jobs from a template may begin: moments as text, durations in seconds."""
    durations = {name: getattr(job, name) for name in DURATIONS}
    moments = {name: getattr(job, name) for name in MOMENTS}
    return {
        **{name: value.total_seconds() for name, value in durations.items() if value},
        **{name: value.isoformat() for name, value in moments.items() if value},
    }


def _time(job: Job, timing: dict[str, Any], now: datetime) -> None:
    for name, value in timing.items():
        is_moment = name in MOMENTS
        read = datetime.fromisoformat(value) if is_moment else timedelta(seconds=value)
        setattr(job, name, read)
    for name, value in links.beginning(job, now).items():
        setattr(job, name, value)


def fire(batch: Batch, role: Role, *values: Any, now: datetime) -> None:
    """Write the callbacks of one kind, scheduled for now or as they say, in this transaction.

    Args:
        batch: The batch with its callbacks.
        role: Which kind.
        *values: What each is told before its own arguments, unless it is immutable; the
            first is the batch's id.
        now: Aware datetime of the event.
    """
    told = [json.dumps(value, default=str) for value in (batch.id, *values)]
    for columns in json.loads(batch.callbacks).get(role, ()):
        _write(batch, role, columns, told, now)


def _write(
    batch: Batch, role: Role, columns: dict[str, Any], told: list[str], now: datetime
) -> None:
    kept = {name: value for name, value in columns.items() if name != "timing"}
    job = Job(**kept, id=uuid7(), batch_id=batch.id, role=role, root_id=str(batch.root_id))
    _time(job, columns.get("timing", {}), now)
    if job.takes_result:
        job.own_args = job.args
        for value in reversed(told):
            job.args = prefixed(job.args, value)
    jobs.follow(job, now=now)


def tell_progress(batch_id: UUID, *, now: datetime) -> None:
    """Start the ``on_progress`` callbacks, unless they were started a moment ago."""
    quiet = Batch.objects.filter(pk=batch_id, told_at__lte=now - PROGRESS_EVERY)
    if quiet.update(told_at=now):
        batch = Batch.objects.get(pk=batch_id)
        fire(batch, Role.PROGRESS, batch.status, now=now)
