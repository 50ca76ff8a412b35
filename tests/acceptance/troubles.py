"""Troubles that a process of the project makes for itself: a wrong clock, a deadlock, a full disk.

A test asks for the first through the environment, for the others through files in the folder of
the gates.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db.backends.signals import connection_created
from django.utils import timezone

from tests.acceptance import gates

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOCK = "JOBMAN_ACCEPTANCE_CLOCK"
_FULL = "disk-is-full"
_MOST_PAGES = 1_000_000

#: Statements with which the server itself says that there was a deadlock.
_DEADLOCKS = {
    "postgresql": "DO $$ BEGIN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END $$",
    "mysql": "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'",
}


def clock(*, minutes: int) -> dict[str, str]:
    """Return the environment of a process whose clock is wrong by so much."""
    return {CLOCK: str(minutes)}


def plan_deadlock(folder: Path, tag: str) -> None:
    """Let the next statement that a job writes for jobman be the victim of a deadlock."""
    _plan(folder, tag).touch()


def planned_deadlocks(folder: Path) -> list[Path]:
    """Return the deadlocks that have not happened yet."""
    return list(folder.glob(_plan(folder, "*").name))


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Allow SQLite no further page while the block lasts."""
    (folder / _FULL).touch()
    try:
        yield
    finally:
        (folder / _FULL).unlink()


def install() -> None:
    """Make this process have the troubles that a test asked for."""
    if shift := os.environ.get(CLOCK):
        _shift_clock(timedelta(minutes=int(shift)))
    if gates.FOLDER in os.environ:
        connection_created.connect(_watch, weak=False)


def _shift_clock(by: timedelta) -> None:
    right = timezone.now
    timezone.now = lambda: right() + by


def _watch(connection: Any, **_: Any) -> None:
    trouble = _fill_disk if connection.vendor == "sqlite" else _meet_deadlock
    if trouble not in connection.execute_wrappers:  # it was opened before, and closed
        connection.execute_wrappers.append(trouble)


def _meet_deadlock(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
    if sql.startswith(("INSERT", "UPDATE", "WITH")) and "jobman" in sql and _is_due():
        sql, params, many = _DEADLOCKS[context["connection"].vendor], None, False
    return execute(sql, params, many, context)


def _is_due() -> bool:
    try:
        _plan(Path(os.environ[gates.FOLDER]), gates.tag()).unlink()
    except FileNotFoundError:
        return False
    return True


def _plan(folder: Path, tag: str) -> Path:
    return folder / f"{tag}.deadlock"


def _fill_disk(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
    database = context["connection"].connection
    full = (Path(os.environ[gates.FOLDER]) / _FULL).exists()
    database.execute(f"PRAGMA max_page_count = {1 if full else _MOST_PAGES}")
    return execute(sql, params, many, context)
