"""Publishing: talking to the broker for a limited time, whatever it does.

Retry policies and connect time-outs bound a broker that refuses; nothing in Celery bounds one
that accepts the connection and then says nothing, or a result backend that does.  A web
request must not hang on either, and a worker's heartbeat even less.  So one thread for each
process talks to them, and the others wait for it as long as they want to.

A message that was given up may leave after all.  That does no harm: the job's row decides,
and the first message that may claim the job does.
"""

from __future__ import annotations

import os
import time
from contextvars import copy_context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections
from kombu.exceptions import OperationalError

from celery_jobman.runtime import running

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: One further try at once, for a pooled connection that went stale; then it is a worker's turn.
RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}


class Errand:
    """One call, to be made by the publisher's thread."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.value: Any = None
        self._context = copy_context()
        self._open = Lock()
        self._open.acquire()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make the call, in the context of the thread that wants it."""
        try:
            self.value = self._context.run(self._call)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self.error = error
        self._open.release()

    def wait(self, seconds: float) -> bool:
        """Return whether the call ended within ``seconds``."""
        return self._open.acquire(timeout=seconds)


class Publisher:
    """The thread, and how long it has been busy with one errand."""

    def __init__(self) -> None:
        self._errands: SimpleQueue[Errand] = SimpleQueue()
        self._busy_since: float | None = None
        self._pid = os.getpid()
        Thread(target=self._work, name="jobman-publisher", daemon=True).start()

    def _work(self) -> None:
        running.disown_thread()
        while True:
            errand = self._errands.get()
            self._busy_since = time.monotonic()
            errand.run()
            self._busy_since = None
            connections.close_all()  # receivers of the project may have opened some

    def is_of_this_process(self) -> bool:
        """Whether the thread lives here; a fork has none."""
        return self._pid == os.getpid()

    def call(self, call: Callable[[], T], seconds: float) -> T:
        """Make ``call``, wait for its end and return what it returned.

        Raises:
            kombu.exceptions.OperationalError: It did not end within ``seconds``, or an
                earlier one has not ended yet; then this one was not begun.
            Exception: What ``call`` raised.
        """
        since = self._busy_since
        if since is not None and time.monotonic() - since > seconds:
            waited = time.monotonic() - since
            msg = f"the broker has not answered for {waited:.0f} s, nothing was sent"
            raise OperationalError(msg)
        errand = Errand(call)
        self._errands.put(errand)
        if not errand.wait(seconds):
            msg = f"the broker did not answer within {seconds:g} s"
            raise OperationalError(msg)
        if errand.error is not None:
            raise errand.error
        return errand.value  # type: ignore[no-any-return]


_publisher: Publisher | None = None
_making = Lock()


def within(seconds: float, call: Callable[[], T]) -> T:
    """Make a call to the broker that may take so long; see :meth:`Publisher.call`."""
    global _publisher  # noqa: PLW0603 - one thread a process
    publisher = _publisher
    if publisher is None or not publisher.is_of_this_process():
        with _making:
            publisher = _publisher
            if publisher is None or not publisher.is_of_this_process():
                publisher = _publisher = Publisher()
    return publisher.call(call, seconds)
