"""Workers: their signs of life, by the database's clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.models import Queue, Worker
from celery_jobman.models.database import DatabaseClock

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

#: Silence after which a worker's row is of no use to anybody.
GONE_AFTER = timedelta(days=7)


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


def gone(*, now: datetime) -> QuerySet[Worker]:
    """Return the workers that gave no sign of life for :data:`GONE_AFTER` before ``now``."""
    return Worker.objects.filter(seen_at__lt=now - GONE_AFTER)


def forget_gone(*, now: datetime) -> int:
    """Delete the rows of workers that are gone; return how many."""
    return gone(now=now).delete()[0]
