"""Limits: how long a statement of the list may take, where the database can stop one.

Some searches have no index to serve them, and on a long table nobody waits for their end.  The
database stops them: PostgreSQL by ``statement_timeout``, set for one transaction so that no
pool hands it on; MariaDB and MySQL by a variable of the session, which is set back.  SQLite has
no such limit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.db import OperationalError, connections, transaction
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that a statement of the list may take.
LONGEST: Final = 3.0

#: What PostgreSQL, MariaDB and MySQL call a statement that they stopped.
_STOPPED: Final = frozenset({"57014", 1969, 3024})

#: A project may have set a limit that is shorter; it stays.
_POSTGRESQL: Final = """
SELECT before.value, set_config('statement_timeout', CASE
    WHEN before.value::interval BETWEEN '1 ms' AND %s * interval '1 ms' THEN before.value
    ELSE %s || 'ms' END, true)
FROM (SELECT current_setting('statement_timeout') AS value OFFSET 0) AS before
"""


class TookTooLong(Exception):
    """The database stopped a statement."""


def sentence() -> str:
    """Return what is told of a search that was stopped."""
    text = _(
        "The search took longer than %(seconds)s seconds; narrow it with task:, queue:, state:"
        " or after:."
    )
    return text % {"seconds": f"{LONGEST:g}"}


@contextmanager
def limited(alias: str) -> Iterator[None]:
    """Hold each statement that the block sends through ``alias`` to the longest time.

    Raises:
        TookTooLong: The database stopped one.  The rest of the block was not done.
    """
    vendor = connections[alias].vendor
    around = {"postgresql": _postgresql, "mysql": _mysql}.get(vendor)
    try:
        if around is None:
            yield
        else:
            with around(alias):
                yield
    except OperationalError as error:
        if _is_stop(error):
            raise TookTooLong from error
        raise


@contextmanager
def _postgresql(alias: str) -> Iterator[None]:
    inside = connections[alias].in_atomic_block
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        longest = int(LONGEST * 1000)
        cursor.execute(_POSTGRESQL, [longest, longest])
        before = cursor.fetchone()[0]
        yield
        if inside:  # what is set lasts until the outermost transaction's end
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])


@contextmanager
def _mysql(alias: str) -> Iterator[None]:
    connection: Any = connections[alias]
    name, longest = (
        ("max_statement_time", LONGEST)
        if connection.mysql_is_mariadb
        else ("max_execution_time", int(LONGEST * 1000))
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@{name}")
        before = cursor.fetchone()[0]
        cursor.execute(f"SET SESSION {name} = %s", [min(before or longest, longest)])
        try:
            yield
        finally:
            cursor.execute(f"SET SESSION {name} = %s", [before])


def _is_stop(error: OperationalError) -> bool:
    cause = error.__cause__
    codes = (getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None), *error.args[:1])
    return any(code in _STOPPED for code in codes if isinstance(code, str | int))
