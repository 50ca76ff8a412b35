"""What the integration tests share: tasks made for one test, and the broker in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery, Task

    Make = Callable[..., Task]
    Drain = Callable[[], list[Any]]


@pytest.fixture
def make(app: Celery) -> Iterator[Make]:
    """Make tasks of functions; they are registered while the test runs."""
    names: list[str] = []

    def made(body: Callable[..., Any], name: str = "demo.task", **options: Any) -> Task:
        names.append(name)
        return app.task(name=name, **{"bind": True, **options})(body)

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
