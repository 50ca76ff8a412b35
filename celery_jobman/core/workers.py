"""Workers: their signs of life, by the database's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.models import Queue, Worker
from celery_jobman.models.database import DatabaseClock

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID


def arrive(worker: Worker, *, now: datetime | None = None) -> None:
    """Write the row of a worker that starts."""
    worker.started_at = worker.seen_at = now or timezone.now()
    worker.save(force_insert=True)
    beat(worker.id, now=now)


def beat(worker_id: UUID, *, now: datetime | None = None, **facts: Any) -> bool:
    """Note that a worker is alive, and what it holds.

    Args:
        worker_id: The worker.
        now: Aware datetime; by default the database's own clock, so that workers whose
            clocks differ are judged alike.
        **facts: Further columns, such as ``reserved``.

    Returns:
        False when the worker has no row (any more).
    """
    return bool(Worker.objects.filter(pk=worker_id).update(seen_at=now or DatabaseClock(), **facts))


def leave(worker_id: UUID, *, now: datetime | None = None) -> None:
    """Note that a worker has stopped; what it still holds may be taken back at once."""
    Worker.objects.filter(pk=worker_id).update(stopped_at=now or DatabaseClock())


def consume(queues: list[str], *, now: datetime) -> None:
    """Note that queues have a consumer."""
    for name in queues:
        Queue.objects.update_or_create(name=name, defaults={"consumed_at": now})


def forget_silent(silence: timedelta, *, now: datetime) -> int:
    """Delete rows of workers not seen for ``silence``; return how many."""
    return Worker.objects.filter(seen_at__lt=now - silence).delete()[0]
