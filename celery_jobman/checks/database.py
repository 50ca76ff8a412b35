"""System checks of the database that the tables are in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.core.checks import Tags, Warning, register  # noqa: A004 - Django's own name
from django.db import DatabaseError, connections

from celery_jobman.models.database import home
from celery_jobman.runtime import tables

if TYPE_CHECKING:
    from collections.abc import Sequence


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


@register(Tags.database)
def tables_are_there(databases: Sequence[str] | None = None, **_: Any) -> list[Warning]:
    """Warn when migrations are missing; asked with ``manage.py check --database``.

    ``migrate`` asks as well, before it applies them, and is not told what it is about to do.
    """
    if home() not in (databases or ()) or sys.argv[1:2] == ["migrate"]:
        return []
    try:
        missing = tables.missing()
    except DatabaseError:
        return []  # whether it answers is Django's to say
    if not missing:
        return []
    return [
        Warning(
            f"the database {home()!r} lacks tables or columns of celery_jobman:"
            f" {', '.join(missing)} not applied",
            hint=f"No job can be written until then; run {tables.command()}.",
            id="jobman.W003",
        )
    ]
