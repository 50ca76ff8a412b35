"""Errors of each class, raised by the server itself wherever it can be made to.

Only then is a transaction of PostgreSQL really aborted, a victim's work of MariaDB really undone,
and a connection really gone.  SQLite has no statement that raises what one likes: there the
error is raised in its stead.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, NoReturn

from django.db import DataError, IntegrityError, OperationalError

if TYPE_CHECKING:
    from django.db import Error

#: What the server says of each error but an outage; it must show where the trouble is shown.
WORDS: Final = "injected fault"

CONSTRAINT, OVERFLOW, TOO_LARGE = "constraint", "overflow", "too large"
CONFLICT, OUTAGE = "conflict", "outage"
CLASSES: Final = (CONSTRAINT, OVERFLOW, TOO_LARGE, CONFLICT, OUTAGE)
#: What a second try does not mend.
REFUSALS: Final = frozenset({CONSTRAINT, OVERFLOW, TOO_LARGE})

_POSTGRESQL: Final = {
    CONSTRAINT: "23514",
    OVERFLOW: "22003",
    TOO_LARGE: "54000",
    CONFLICT: "40001",
}
_MARIADB: Final = {
    CONSTRAINT: ("23000", 4025),
    OVERFLOW: ("22003", 1264),
    TOO_LARGE: ("08S01", 1153),
    CONFLICT: ("40001", 1213),
}
_SQLITE: Final[dict[str, tuple[type[Error], str]]] = {
    CONSTRAINT: (IntegrityError, WORDS),
    OVERFLOW: (DataError, WORDS),
    TOO_LARGE: (OperationalError, f"string or blob too big: {WORDS}"),
    CONFLICT: (OperationalError, "database is locked"),
    OUTAGE: (OperationalError, "disk I/O error"),
}


def raised_by(connection: Any, kind: str) -> str:
    """Return a statement with which the server raises an error of this class.

    Raises:
        django.db.Error: On SQLite, at once.
    """
    if connection.vendor == "sqlite":
        _raise(kind)
    if connection.vendor == "postgresql":
        if kind == OUTAGE:
            return "SELECT pg_terminate_backend(pg_backend_pid())"
        code = _POSTGRESQL[kind]
        return f"DO $$ BEGIN RAISE '{WORDS}' USING ERRCODE = '{code}'; END $$"
    if kind == OUTAGE:
        return "KILL CONNECTION_ID()"
    if kind == CONFLICT:
        connection.connection.rollback()  # as the server does with its victim
    state, number = _MARIADB[kind]
    return f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = '{WORDS}'"


def _raise(kind: str) -> NoReturn:
    error, text = _SQLITE[kind]
    raise error(text) from sqlite3.Error(text)
