"""The private connection of a worker's processes, and patience with a database that is away.

Celery's Django fixup closes every configured connection before and after each task; a new
PostgreSQL connection costs more than all statements of a job.  jobman's statements in worker
processes therefore go through a connection of their own, which is no configured alias and so
is left open.  It also keeps log lines, progress and checkpoints out of the task's own
transaction: a rollback there does not take them along.

SQLite allows one writer.  There the statements share the task's connection, and what must
not be lost waits until the task is outside its ``atomic`` block.
"""

from __future__ import annotations

import copy
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from django.db import InterfaceError, OperationalError, connections

from celery_jobman.conf import settings
from celery_jobman.models.database import home, is_inside, route, using
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.runtime import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

logger = logging.getLogger("celery_jobman")

#: The private connection's alias.  It is in nobody's ``DATABASES``.
ALIAS = "jobman_private"
#: Errors that mean that the database is away, not that the statement is wrong.
OUTAGE = (OperationalError, InterfaceError)
#: Longest pause between two tries, in seconds.
LONGEST_PAUSE = 5.0

#: The private connections of this process, and those of them that are in use.
_opened: WeakSet[BaseDatabaseWrapper] = WeakSet()
_used: WeakSet[BaseDatabaseWrapper] = WeakSet()


def is_shared() -> bool:
    """Whether statements must share the task's connection (SQLite, and outside workers)."""
    return identity.current() is None or connections[home()].vendor == "sqlite"


@contextmanager
def private() -> Iterator[None]:
    """Send jobman's statements of this block through the private connection, if there is one."""
    if is_shared():
        yield
        return
    if not hasattr(connections._connections, ALIAS):  # type: ignore[attr-defined] # noqa: SLF001 - the handler's own test for "opened in this thread"
        connections[ALIAS] = _open()
        _opened.add(connections[ALIAS])
    with _in_use(connections[ALIAS]), route(ALIAS):
        yield


@contextmanager
def _in_use(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep a connection open in this block; close it after that if the worker ended meanwhile."""
    is_outermost = wrapper not in _used
    _used.add(wrapper)
    try:
        yield
    finally:
        if is_outermost:
            _used.discard(wrapper)
            if identity.current() is None:
                wrapper.close()


def _open() -> BaseDatabaseWrapper:
    wrapper = connections.create_connection(home())
    wrapper.alias = ALIAS
    wrapper.settings_dict = copy.deepcopy(wrapper.settings_dict)
    wrapper.settings_dict["OPTIONS"].pop("pool", None)
    wrapper.settings_dict["CONN_MAX_AGE"] = None
    return wrapper


@contextmanager
def enqueueing() -> Iterator[None]:
    """Choose the connection that writes a new job's row.

    Inside a transaction of the project the row must be part of it.  In a worker, outside of
    one, the private connection does the same for less.
    """
    if is_shared() or connections[home()].in_atomic_block:
        with route(None):
            yield
        return
    with private():
        yield


def current() -> BaseDatabaseWrapper:
    """Return the connection that statements issued here and now go through."""
    return connections[using()]


def patiently(call: Callable[[], T], what: str) -> T:
    """Call until the database answers, at most ``JOBMAN["OUTAGE_PATIENCE"]`` long.

    Raises:
        OperationalError, InterfaceError: The database stayed away.
    """
    deadline = time.monotonic() + settings().outage_patience.total_seconds()
    pause = 0.1
    while True:
        try:
            return call()
        except OUTAGE as error:
            if is_refusal(error) or connections_busy() or time.monotonic() + pause > deadline:
                raise
            logger.warning("Database is away, trying again what=%s error=%r", what, error)
        drop()
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def through(call: Callable[[], T]) -> T:
    """Make a call to the database through the private connection, patiently."""
    with private():
        return patiently(call, "checkpoint")


@contextmanager
def renewed() -> Iterator[None]:
    """Drop a connection that breaks in this block, so that the next statement opens a new one."""
    try:
        yield
    except OUTAGE:
        if not connections_busy():
            drop()
        raise


def connections_busy() -> bool:
    """Whether the current connection is inside a transaction, where a retry cannot help."""
    return is_inside()


def drop() -> None:
    """Close the current connection; the next statement opens a new one."""
    try:
        current().close()
    except Exception:  # noqa: BLE001 - it was broken already
        current().connection = None


def close_private() -> None:
    """Close the private connections of all threads; one that is in use, at the end of that.

    To be called when this process belongs to no worker any more, so that nobody opens another.
    """
    for wrapper in set(_opened) - set(_used):
        wrapper.inc_thread_sharing()
        try:
            wrapper.close()
        finally:
            wrapper.dec_thread_sharing()


def forget_inherited(**_: Any) -> None:
    """Drop a private connection that was inherited over a fork, without closing its socket."""
    _opened.clear()
    _used.clear()
    if hasattr(connections._connections, ALIAS):  # type: ignore[attr-defined] # noqa: SLF001
        del connections[ALIAS]
