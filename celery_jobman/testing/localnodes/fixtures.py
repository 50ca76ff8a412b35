"""pytest-celery's container fixtures, with local processes in place of Docker containers.

pytest-celery builds everything a test sees (``celery_setup``, ``celery_worker``, ``celery_broker``
and so on) on a few fixtures that return containers.  Only those few are replaced here, so
what a project overrides for its Docker tests (its own tasks, signals, worker class, command,
environment) works unchanged.  Use them through :mod:`celery_jobman.testing.localnodes.plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from celery_jobman.testing.localnodes import listing
from celery_jobman.testing.localnodes.availability import ServerUnavailable, skip_or_fail
from celery_jobman.testing.localnodes.container import LocalContainer
from celery_jobman.testing.localnodes.rabbitmq import LocalRabbitMQ
from celery_jobman.testing.localnodes.redis import LocalRedis
from celery_jobman.testing.localnodes.worker import LocalWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

Node = TypeVar("Node", bound=LocalContainer)


@pytest.fixture
def default_redis_broker() -> Iterator[LocalRedis]:
    """A Redis server of the test's own, to be used as broker."""
    yield from running(LocalRedis())


@pytest.fixture
def default_redis_backend() -> Iterator[LocalRedis]:
    """A Redis server of the test's own, to be used as result backend."""
    yield from running(LocalRedis())


@pytest.fixture
def default_rabbitmq_broker() -> Iterator[LocalRabbitMQ]:
    """A RabbitMQ node of the test's own."""
    yield from running(LocalRabbitMQ())


@pytest.fixture
def default_worker_container(
    default_worker_command: list[str],
    default_worker_env: dict[str, str],
    default_worker_initial_content: dict[str, bytes],
) -> Iterator[LocalWorker]:
    """A worker process that runs what would be laid into the container's volume."""
    env = {key: value for key, value in default_worker_env.items() if key != "PYTHONPATH"}
    content = default_worker_initial_content
    yield from running(LocalWorker(default_worker_command, env=env, content=content))


@pytest.fixture
def default_worker_utils_module() -> ModuleType:
    """The module that lists the worker's processes."""
    return listing


def running(node: Node) -> Iterator[Node]:
    """Start ``node``, yield it when it is ready, and tear it down; the body of a fixture.

    The test is skipped where the node's programs are not installed; see
    :mod:`celery_jobman.testing.localnodes.availability`.
    """
    try:
        node.start()
    except ServerUnavailable as error:
        node.teardown()
        skip_or_fail(str(error))
    try:
        node.ready()
        yield node
    finally:
        node.teardown()
