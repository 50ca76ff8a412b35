"""What the integration tests share: tasks made for one test, and the broker in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import override_settings

from tests.integration import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery, Task
    from celery.worker import WorkController
    from pytest_django import DjangoDbBlocker

    Make = Callable[..., Task]
    Drain = Callable[[], list[Any]]


@pytest.fixture
def make(app: Celery) -> Iterator[Make]:
    """Make tasks of functions; they are registered while the test runs."""
    names: list[str] = []

    def made(body: Callable[..., Any], name: str = "demo.task", **options: Any) -> Task:
        names.append(name)
        return app.task(name=name, **{"bind": True, "shared": False, **options})(body)

    yield made
    for name in names:
        app.tasks.pop(name, None)


@pytest.fixture
def eager(app: Celery) -> Iterator[None]:
    """Let every call run here and now, as many projects do in their tests."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def drain(app: Celery) -> Iterator[Drain]:
    """Take every message out of the default queue."""

    def messages() -> list[Any]:
        with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
            return [queue.get_nowait() for _ in range(queue.qsize())]

    messages()
    yield messages
    messages()


@pytest.fixture(scope="module")
def worker(
    app: Celery, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[WorkController]:
    """Run a worker beside the tests of a module."""
    del django_db_setup
    quick = {"DISPATCH_EVERY": 0.02, "FLUSH_EVERY": 0.02, "HEARTBEAT": 0.5}
    with (
        django_db_blocker.unblock(),
        override_settings(JOBMAN=quick),
        workers.connections_closed(),
        workers.running(app) as worker,
    ):
        yield worker


@pytest.fixture
def employ(make: Make, worker: WorkController, transactional_db: None) -> Make:
    """Make tasks that the worker knows."""
    del transactional_db

    def made(*args: Any, **options: Any) -> Task:
        task = make(*args, **options)
        worker.consumer.update_strategies()
        return task

    return made
