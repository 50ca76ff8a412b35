"""Names: the different tasks and queues of a table too long to be read for them.

A loose index scan: each name is the least one above the name before, which the index on the
column finds in one step.  The cost grows with the number of names, not of jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from celery_jobman.models import Job
from celery_jobman.models.database import using

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Most names that a filter offers.
OFFERED: Final = 200
#: Rows that are read for names when a user may see only some jobs.
RECENT: Final = 1000

_SQL: Final = """
WITH RECURSIVE names (name, number) AS (
    SELECT MIN({column}), 1 FROM {table}
    UNION ALL
    SELECT (SELECT MIN(job.{column}) FROM {table} job WHERE job.{column} > names.name),
           names.number + 1
    FROM names WHERE names.name IS NOT NULL AND names.number < %s
)
SELECT name FROM names WHERE name IS NOT NULL
"""


def every(column: str, limit: int = OFFERED) -> list[str]:
    """Return the names in ``task`` or ``queue``, in their order, at most ``limit``."""
    connection = connections[using()]
    quote = connection.ops.quote_name
    sql = _SQL.format(column=quote(column), table=quote(Job._meta.db_table))  # noqa: SLF001 - documented
    with connection.cursor() as cursor:
        cursor.execute(sql, [limit])
        return [name for (name,) in cursor.fetchall()]


def recent(queryset: QuerySet[Any], column: str) -> list[str]:
    """Return the names among the newest jobs of ``queryset``."""
    newest = queryset.order_by("-pk").values_list(column, flat=True)[:RECENT]
    return sorted(set(newest))[:OFFERED]
