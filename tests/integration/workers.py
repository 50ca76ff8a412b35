"""A worker in this process: the real consumer, pool and keeper, with the broker in memory."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging
from django.db.utils import ConnectionHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

T = TypeVar("T")

#: Connections of other threads; a thread that serves all workers keeps its own.
_opened: list[Any] = []


class NeverTrue(Exception):
    """A condition did not come true in time."""


def eventually(ask: Callable[[], T | None], seconds: float = 20) -> T:
    """Return what ``ask`` returns, once that is true."""
    deadline, tick = time.monotonic() + seconds, Event()
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise NeverTrue(f"still {answer!r} after {seconds} s")
        tick.wait(0.005)
    return answer


@contextmanager
def running(app: Celery, **options: Any) -> Iterator[Any]:
    """Run a worker in threads of this process; nothing is left of it afterwards."""
    quietly = {"perform_ping_check": False, "shutdown_timeout": 20, "hostname": "w1@host"}
    setup_logging.connect(_leave_logging_alone)
    app.conf.broker_transport_options = {"polling_interval": 0.01}
    try:
        with start_worker(app, **{"pool": "threads", "concurrency": 1, **quietly, **options}) as it:
            yield it
    finally:
        app.conf.broker_transport_options = {}
        setup_logging.disconnect(_leave_logging_alone)


def _leave_logging_alone(**_: Any) -> None:
    """Having a receiver, Celery does not set logging up."""


@contextmanager
def connections_closed() -> Iterator[None]:
    """Close at the end what other threads opened: they may be gone by then."""
    create = ConnectionHandler.create_connection

    def note(self: ConnectionHandler, alias: str) -> Any:
        wrapper = create(self, alias)
        if current_thread() is not main_thread():
            _opened.append(wrapper)
        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConnectionHandler, "create_connection", note)
        yield
    for wrapper in _opened:
        if wrapper.connection is not None:
            with suppress(Exception):  # its thread may have closed it in between
                wrapper.connection.close()
