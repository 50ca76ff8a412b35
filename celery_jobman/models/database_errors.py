"""Database errors, sorted by what the database said: wait, try again, or write less.

Python's classes do not tell: an ``OperationalError`` may mean that the server is gone, that two
transactions met, or that one value is too large for good.  What tells is the code that the
server sent with it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from django.db import Error, InterfaceError, OperationalError
from django.db.transaction import TransactionManagementError


class Answer(Enum):
    """What there is to do about an error."""

    OUTAGE = "outage"
    """The database is away, full or read-only for everybody: wait."""

    CONFLICT = "conflict"
    """Two transactions met, or a lock was not to be had: try the same again."""

    REFUSAL = "refusal"
    """It does not take this statement, now or later: write something else."""


#: SQLSTATE codes of PostgreSQL, or their classes.
_OUTAGES: Final = ("08", "25006", "53", "57P", "58")
_CONFLICTS: Final = ("25P02", "40", "55P03", "57014")

#: Error numbers of MySQL and MariaDB, and of their drivers.
_OUTAGE_NUMBERS: Final = frozenset({
    0, 1021, 1040, 1041, 1042, 1043, 1044, 1045, 1053, 1077, 1078, 1079, 1080, 1114, 1129, 1152,
    1158, 1159, 1160, 1161, 1184, 1203, 1226, 1290, 1792, 1836, 1927, 2002, 2003, 2006, 2013, 2014,
    2027, 2055, 3100, 3168, 3169, 4031,
})  # fmt: skip
_CONFLICT_NUMBERS: Final = frozenset({1020, 1205, 1213, 1317, 1614, 1969, 3024, 3058, 3572})

#: What SQLite says, as a ``ProgrammingError``, of a connection that was closed meanwhile.
_CLOSED: Final = "closed database"
#: How SQLite's messages begin, which come without a number.
_OUTAGE_TEXTS: Final = re.compile(
    r"unable to open|disk I/O error|database or disk is full|attempt to write a readonly"
    r"|database disk image|locking protocol"
)
_CONFLICT_TEXTS: Final = re.compile(r"database( schema| table)? is locked|database table is locked")


def answer(error: BaseException | None) -> Answer:
    """Return what an error that a statement raised means.

    Args:
        error: Any exception.  One that no database raised is a refusal: what was to be written
            could not even be put into words.
    """
    if not isinstance(error, Error):
        return Answer.REFUSAL
    if isinstance(error, TransactionManagementError):  # of what was done before, not of this row
        return Answer.CONFLICT
    first = error.args[0] if error.args else ""
    if isinstance(first, int) and not isinstance(error, InterfaceError):
        return _by_number(first)  # PyMySQL tells a state, too, which is HY000 for most
    state = getattr(error.__cause__, "sqlstate", None)
    if state:
        return _by_state(str(state))
    if isinstance(error, InterfaceError) or _CLOSED in str(first):
        return Answer.OUTAGE
    return _by_text(str(first), error) if isinstance(error, OperationalError) else Answer.REFUSAL


def is_refusal(error: BaseException | None) -> bool:
    """Whether there is no use in trying the same again."""
    return answer(error) is Answer.REFUSAL


def _by_state(state: str) -> Answer:
    if state.startswith(_CONFLICTS):
        return Answer.CONFLICT
    return Answer.OUTAGE if state.startswith(_OUTAGES) else Answer.REFUSAL


def _by_number(number: int) -> Answer:
    if number in _CONFLICT_NUMBERS:
        return Answer.CONFLICT
    return Answer.OUTAGE if number in _OUTAGE_NUMBERS else Answer.REFUSAL


def _by_text(text: str, error: Error) -> Answer:
    """Sort what has no code: SQLite's errors, and those of a driver that lost its connection."""
    if _CONFLICT_TEXTS.search(text):
        return Answer.CONFLICT
    is_sqlite = type(error.__cause__).__module__.startswith("sqlite3")
    return Answer.REFUSAL if is_sqlite and not _OUTAGE_TEXTS.search(text) else Answer.OUTAGE
