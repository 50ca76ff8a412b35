"""The world: a database, a broker in memory, one worker and its keeper, all in this thread.

Messages are run by Celery's own tracer, as a pool process runs them; the keeper's duties and the
supervisor's look are called in turn.  The clock stands still but for what :meth:`World.wait` adds,
and whoever sleeps moves it.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from _pytest.logging import LogCaptureHandler
from billiard.exceptions import WorkerLostError
from celery.app.trace import trace_task
from django.db import close_old_connections, connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from celery_jobman.core import tallies
from celery_jobman.models import (
    Attempt,
    Batch,
    Job,
    JobAction,
    LogLine,
    Queue,
    Step,
    Trouble,
    Worker,
)
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import (
    arrears,
    connection,
    identity,
    keeping,
    losses,
    publishing,
    supervisor,
)
from celery_jobman.runtime.identity import Identity
from celery_jobman.runtime.keeping import Keeping
from celery_jobman.runtime.messages import HEADER
from tests.celery_app import app
from tests.factories import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.integration.injection.injector import Injector

#: Children before their parents.
TABLES: Final = (LogLine, Step, Attempt, Trouble, JobAction, Job, Batch, Worker, Queue)
SECOND: Final = timedelta(seconds=1)
HOURS: Final = timedelta(hours=2)

logger = logging.getLogger("tests.injection")


class World:
    """Everything that a scene needs."""

    def __init__(self, injector: Injector) -> None:
        self.injector = injector
        self.ahead = timedelta()
        self.me = Identity(uuid7(), "w1@here", "solo")
        controller = SimpleNamespace(app=app, pool=None, concurrency=1)
        self.keeper = Keeping(controller, self.me)
        #: What left the tracer: a process would have died of it.
        self.deaths: list[BaseException] = []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put this world in the place of clocks and threads."""
        now = timezone.now
        clock = SimpleNamespace(monotonic=self._monotonic, sleep=self._sleep)
        patch.setattr(timezone, "now", lambda: now() + self.ahead)
        patch.setattr(arrears, "time", clock)
        patch.setattr(connection, "time", clock)
        patch.setattr(supervisor, "wake", lambda: None)
        patch.setattr(supervisor, "hurry", lambda: None)
        patch.setattr(identity, "_shared", bytearray(1))
        patch.setattr(publishing, "within", lambda _, call: call())
        patch.setattr(keeping, "_inbox", SimpleQueue())
        patch.setattr(LogCaptureHandler, "handleError", logging.Handler.handleError)

    def _monotonic(self) -> float:
        return time.monotonic() + self.ahead.total_seconds()

    def _sleep(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return timezone.now()

    def clear(self) -> None:
        """Forget everything; one worker is there."""
        close_old_connections()
        self.ahead = timedelta()
        self.deaths.clear()
        arrears._owed.clear()
        keeping._inbox = SimpleQueue()
        self.keeper._waiting.clear()
        self.keeper._missing.clear()
        for table in TABLES:
            table.objects.all()._raw_delete("default")
        with app.connection_for_read() as broker, broker.SimpleQueue("celery") as queue:
            queue.clear()
        worker(id=self.me.worker_id, seen=self.now())

    @contextmanager
    def without_broker(self) -> Iterator[None]:
        """Let every publish fail in this block."""
        within: Any = publishing.within
        vars(publishing)["within"] = _refuse
        try:
            yield
        finally:
            publishing.within = within

    # Who acts.

    @contextmanager
    def a_worker(self) -> Iterator[None]:
        """Be a process of the worker in this block."""
        identity._identity = self.me
        try:
            yield
        finally:
            identity._identity = None
            close_old_connections()

    def turn(self) -> None:
        """Let the worker do once whatever there is to do."""
        with self.a_worker():
            for duty in self._duties():
                self.keeper._attempt(duty)
            self._follow_notes()
            self.work_off()
            supervisor._look_around()

    def _duties(self) -> list[Callable[[], object]]:
        keeper = self.keeper
        return [
            keeper.dispatch,
            keeper.run_errands,
            keeper.rescue,
            keeper.redeliver,
            keeper.forget_troubles,
        ]

    def _follow_notes(self) -> None:
        if self.keeper._waiting or not keeping._inbox.empty():
            keeping._inbox.put(lambda _: None)  # so that nobody waits for one
            self.keeper._read_inbox()

    def work_off(self) -> None:
        """Run every message that the broker has."""
        with app.connection_for_read() as broker, broker.SimpleQueue("celery") as queue:
            while True:
                try:
                    message = queue.get_nowait()
                except Empty:
                    return
                message.ack()
                self._run(message)

    def _run(self, message: Any) -> None:
        args, kwargs, embed = message.payload
        headers = dict(message.headers)
        request = {
            **headers,
            **embed,
            "args": args,
            "kwargs": kwargs,
            "is_eager": False,
            "hostname": self.me.hostname,
            "delivery_info": {"routing_key": "celery", "exchange": ""},
            "correlation_id": headers["id"],
        }
        try:
            trace_task(app.tasks[headers["task"]], headers["id"], args, kwargs, request, app=app)
        except BaseException as death:
            logger.info("A process died", exc_info=True)
            self.deaths.append(death)
            self._note_loss(headers, death)
        close_old_connections()

    @staticmethod
    def _note_loss(headers: dict[str, Any], death: BaseException) -> None:
        """Let the keeper learn of a process that died, as the worker's main process does."""
        loss = losses.Loss(
            task_id=headers["id"],
            pid=None,
            header=headers.get(HEADER),
            why=f"its process died: {type(death).__name__}",
            error=WorkerLostError("its process died"),
        )
        keeping.note(partial(losses.settle, loss))

    def until(self, is_done: Callable[[], bool], *, step: timedelta, turns: int) -> bool:
        """Let time pass in steps, and the worker work, until something is true."""
        for _ in range(turns):
            if is_done():
                return True
            self.turn()
            self.ahead += step
        return is_done()

    def wait(self, by: timedelta) -> None:
        self.ahead += by


def _refuse(*_: object) -> NoReturn:
    raise OperationalError("the broker is away")


def close_private() -> None:
    """Close the worker's own connection."""
    if hasattr(connections._connections, connection.ALIAS):  # type: ignore[attr-defined]
        connections[connection.ALIAS].close()
        del connections[connection.ALIAS]


def adds_up(batch: Batch) -> bool:
    """Whether a batch says of its members what their rows say."""
    counted = tallies.counted(batch.pk)
    return all(getattr(batch, name) == number for name, number in counted.items())
