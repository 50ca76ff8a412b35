"""Hooks: what a task wants to do when one of its jobs has failed for good.

The hook is a job of its own, written by the transaction that ends the failed one.  So it is not
lost with a process, not even with the one whose death was the failure, and it can be watched,
read and retried.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.core import jobs
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.faults import Fault

#: Name of the task that calls hooks.
TASK: Final = "jobman.failed"
#: Columns of the failed job that its hook takes over.
KEPT: Final = ("queue", "priority", "root_id", "owner_id", "tags", "attribs")


class Hooks:
    """Who knows the tasks; the runtime fills it in."""

    def __init__(self) -> None:
        #: Whether the task of this name wants to be called.
        self.wanted: Callable[[str], bool] = _never


def _never(_name: str) -> bool:
    return False


hooks = Hooks()


def write(job_id: UUID, fault: Fault, *, now: datetime) -> Job:
    """Write the job that calls the hook of a failed one, scheduled now, in this transaction.

    Args:
        job_id: The job that has failed.
        fault: What it failed with; it may be retried, and fail with something else, before
            the hook is called.
        now: Aware datetime of the failure.

    Returns:
        The hook's row.
    """
    failed = Job.objects.only("task", "label", "message", *KEPT).get(pk=job_id)
    hook = Job(id=uuid7(), task=TASK, parent_id=job_id, label=_label(failed))
    for name in KEPT:
        setattr(hook, name, getattr(failed, name))
    hook.args = json.dumps([str(job_id), fault.error_class, fault.error_message])
    hook.message = json.dumps({"ignore_result": True, **_context(failed)})
    jobs.follow(hook, now=now)
    return hook


def _context(failed: Job) -> dict[str, Any]:
    """Return the headers that a failed job had: its hook belongs to the same trace."""
    headers = json.loads(failed.message).get("headers")
    return {"headers": headers} if headers else {}


def _label(failed: Job) -> str:
    longest = Job._meta.get_field("label").max_length  # noqa: SLF001 - documented by Django
    return f"failed: {failed.label or failed.task}"[:longest]
