"""What the tests of the runtime share: a task, its running job, and a worker's identity."""

from __future__ import annotations

from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from celery import Celery
from celery.app.task import Context
from django.db import connections

from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import identity, keeping
from celery_jobman.runtime.connection import ALIAS
from celery_jobman.runtime.identity import Identity
from celery_jobman.runtime.keeping import Keeping
from celery_jobman.runtime.running import RunningJob
from tests.factories import run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Task

    from celery_jobman.models import Job

    Running = Callable[..., RunningJob]


@pytest.fixture
def task(app: Celery) -> Iterator[Task]:
    """Return a task that is registered while the test runs."""

    def add(_self: Any, x: int, y: int = 1) -> int:
        return x + y

    yield app.task(name="demo.add", bind=True, shared=False)(add)
    app.tasks.pop("demo.add")


@pytest.fixture
def plain(app: Celery) -> Iterator[Task]:
    """Return a task whose calls make no jobs."""

    def nothing(*_args: Any) -> None:
        pass

    yield app.task(name="demo.plain", shared=False, track=False)(nothing)
    app.tasks.pop("demo.plain")


@pytest.fixture
def queue(app: Celery) -> Iterator[str]:
    """Return the name of a queue that nobody else uses."""
    name = f"q-{uuid4()}"
    yield name
    app.amqp.queues.pop(name, None)


@pytest.fixture
def running() -> Running:
    """Make the running side of a job whose row says that it runs."""

    def make(job: Job, **request: Any) -> RunningJob:
        context = Context(
            {
                "id": job.task_id,
                "task": job.task,
                "called_directly": False,
                "headers": {},
                **request,
            }
        )
        return RunningJob(run_of(job), context)

    return make


@pytest.fixture
def worker_identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    """Make this process one of a worker."""
    monkeypatch.setattr(identity, "_identity", None)
    monkeypatch.setattr(identity, "_shared", bytearray(1))
    yield identity.become("w1@host", "prefork")
    if hasattr(connections._connections, ALIAS):  # type: ignore[attr-defined]
        connections[ALIAS].close()
        del connections[ALIAS]


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> SimpleQueue[Any]:
    """Give each test an empty inbox, and keep its database open."""
    box: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(keeping, "_inbox", box)
    monkeypatch.setattr(connections, "close_all", Mock())
    return box


@pytest.fixture
def keeper() -> Keeping:
    """Return the keeper of a worker with two pool processes."""
    app = Celery("keeper", broker="memory://", set_as_current=False)
    processes = [SimpleNamespace(pid=pid) for pid in (4711, 4712)]
    pool = SimpleNamespace(_pool=SimpleNamespace(_pool=processes))
    controller = SimpleNamespace(app=app, concurrency=2, pool=pool)
    return Keeping(controller, Identity(uuid7(), "w1@host", "prefork"))
