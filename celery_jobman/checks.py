"""System checks: what would make jobs go wrong, found before it does."""

from __future__ import annotations

from typing import Any

from django.core.checks import Tags, Warning, register  # noqa: A004 - Django's own name
from django.db import connections

from celery_jobman.conf import settings
from celery_jobman.models.database import home


@register(Tags.compatibility)
def heartbeat_fits(**_: Any) -> list[Warning]:
    """Warn when a worker is taken for dead before it can give two signs of life."""
    chosen = settings()
    if chosen.worker_lost_after >= 3 * chosen.heartbeat:
        return []
    return [
        Warning(
            'JOBMAN["WORKER_LOST_AFTER"] is less than three times JOBMAN["HEARTBEAT"]',
            hint="A worker that is late once loses its jobs; raise WORKER_LOST_AFTER to at"
            f" least {3 * chosen.heartbeat.total_seconds():g} seconds.",
            id="jobman.W001",
        )
    ]


@register(Tags.compatibility)
def transactions_can_wait(**_: Any) -> list[Warning]:
    """Warn when SQLite would refuse a task's transaction because a worker has just written.

    A transaction that begins by reading cannot wait for the write lock any more once another
    connection has written: SQLite refuses it at once, whatever ``timeout`` says
    (https://www.sqlite.org/rescode.html#busy_snapshot,
    https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-transaction-behavior).
    """
    connection: Any = connections[home()]
    if connection.vendor != "sqlite" or connection.is_in_memory_db():
        return []
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode") or "DEFERRED"
    if mode.upper() != "DEFERRED":
        return []
    return [
        Warning(
            f"the SQLite database {home()!r} lets a transaction read before it may write",
            hint="A task that reads and then writes fails with 'database is locked' when a"
            " worker writes in between; set"
            f' DATABASES[{home()!r}]["OPTIONS"]["transaction_mode"] to "IMMEDIATE".',
            id="jobman.W002",
        )
    ]
