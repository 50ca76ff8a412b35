"""Names: the different tasks, queues and owners of a table too long to be read for them.

A loose index scan: each name is the least one above the name before, which the index on the
column finds in one step.  The cost grows with the number of names, not of jobs.  The names of
workers come from their own table, which is short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.db import connections

from celery_jobman.models import Job, Worker
from celery_jobman.models.database import using
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from django.db.models import QuerySet

#: Most names that a filter offers.
OFFERED: Final = 200
#: Rows that are read for names when a user may see only some jobs.
RECENT: Final = 1000

_SQL: Final = """
WITH RECURSIVE names (name, number) AS (
    SELECT (SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1), 1
    UNION ALL
    SELECT (SELECT job.{column} FROM {table} job WHERE job.{column} > names.name
            ORDER BY job.{column} LIMIT 1), names.number + 1
    FROM names WHERE names.name IS NOT NULL AND names.number < %s
)
SELECT name FROM names WHERE name IS NOT NULL
"""


def every(column: str, limit: int = OFFERED) -> list[Any]:
    """Return the values in ``task``, ``queue`` or ``owner_id``, in order, at most ``limit``."""
    connection = connections[using()]
    quote = connection.ops.quote_name
    sql = _SQL.format(column=quote(column), table=quote(Job._meta.db_table))  # noqa: SLF001 - documented
    with connection.cursor() as cursor:
        cursor.execute(sql, [limit])
        return [name for (name,) in cursor.fetchall()]


def recent(queryset: QuerySet[Any], column: str) -> list[str]:
    """Return the names among the newest jobs of ``queryset``."""
    newest = queryset.order_by("-pk").values_list(column, flat=True)[:RECENT]
    return sorted({name for name in newest if name is not None})[:OFFERED]


def of_users(keys: Collection[Any]) -> dict[Any, str]:
    """Return the names of users by their keys, of those that are still there."""
    if not keys:
        return {}
    users = get_user_model()._default_manager.filter(pk__in=keys)  # noqa: SLF001 - documented
    named: dict[Any, str] = dict(users.values_list("pk", get_user_model().USERNAME_FIELD))
    return named


def tasks(queryset: QuerySet[Any] | None = None) -> list[str]:
    """Return the names of tasks, of all or (where a user sees only some jobs) of the newest."""
    return every("task") if queryset is None else recent(queryset, "task")


def queues(queryset: QuerySet[Any] | None = None) -> list[str]:
    """Return the names of queues, as above."""
    return every("queue") if queryset is None else recent(queryset, "queue")


def owners(queryset: QuerySet[Any] | None = None) -> list[str]:
    """Return the names of owners, as above."""
    keys = every("owner_id") if queryset is None else recent(queryset, "owner_id")
    return sorted(of_users(keys).values())


def workers(queryset: QuerySet[Any] | None = None) -> list[str]:
    """Return the names of workers that are remembered, or that run any of ``queryset``."""
    known = Worker.objects.order_by("-seen_at")
    if queryset is not None:
        running = queryset.filter(state=State.RUNNING)
        known = known.filter(pk__in=recent(running, "worker_id"))
    return sorted(set(known.values_list("hostname", flat=True)[:RECENT]))[:OFFERED]


#: What jobs are named by, and how the names are found.
NAMES: Final[dict[str, Callable[[QuerySet[Any] | None], list[str]]]] = {
    "task": tasks,
    "queue": queues,
    "owner": owners,
    "worker": workers,
}
