"""Tallies: how the jobs of a batch ended, by the outcome that each wrote to its own row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count

from celery_jobman.models import Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery import Task

    from celery_jobman.models.job import JobQuerySet


def count(batch_id: str, task: Task) -> dict[str, int]:
    """Return how many of a batch's jobs of one task ended in which way.

    A job that succeeded counts by its completed code, another one by its state:
    ``{"success": 58, "unsubscribed": 2, "failed": 1}``.
    """
    counts: dict[str, int] = {}
    groups = _members(batch_id, task).values_list("state", "completed_code")
    for state, code, number in groups.annotate(number=Count("pk")).order_by():
        name = (code or "success") if state == State.SUCCEEDED else str(state)
        counts[name] = counts.get(name, 0) + number
    return counts


def results(batch_id: str, task: Task, code: str, limit: int) -> list[Any]:
    """Return what the first ``limit`` jobs of one task with a completed code returned."""
    jobs = _members(batch_id, task).filter(completed_code=code).order_by("pk")
    return [job.return_value for job in jobs[:limit]]


def _members(batch_id: str, task: Task) -> JobQuerySet:
    return Job.objects.members_of(batch_id).filter(task=task.name)
