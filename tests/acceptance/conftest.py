"""Fixtures: servers, stacks of them, and the project on one stack."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from celery_jobman.testing.localnodes.plugin import nodes_are_local
from tests.acceptance.drivers import Driver
from tests.acceptance.projects import Project
from tests.acceptance.stacks import Stack, Stacks

if nodes_are_local():
    from celery_jobman.testing.localnodes.fixtures import (  # noqa: F401 - pytest finds them here
        default_rabbitmq_broker,
        default_redis_backend,
        default_redis_broker,
        default_worker_container,
        default_worker_utils_module,
    )

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.acceptance.projects import ProjectWorker

_queues = itertools.count(1)


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """Every server of the run, started when it is first needed."""
    everything = Stacks(folder=tmp_path_factory.mktemp("stacks"))
    yield everything
    everything.close()


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Stack], Driver]]:
    """One driver process for each stack, shared by all its tests."""
    folder = tmp_path_factory.mktemp("drivers")
    started: dict[str, Driver] = {}

    def driver(stack: Stack) -> Driver:
        if stack.name not in started:
            started[stack.name] = Driver(stack.environment(role="shared driver", folder=folder))
        return started[stack.name]

    yield driver
    for each in started.values():
        each.close()


@pytest.fixture(scope="module")
def projects(
    stacks: Stacks,
    drivers: Callable[[Stack], Driver],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Project]]:
    """Make a project with a queue and gates of its own; its workers end with the module."""
    made: list[Project] = []

    def project(broker: str, database: str, *, fresh: bool = False) -> Project:
        stack = (stacks.fresh if fresh else stacks.get)(broker, database)
        made.append(
            Project(
                stack=stack,
                driver=drivers(stack),
                folder=tmp_path_factory.mktemp("gates"),
                queue=f"queue{next(_queues)}",
            )
        )
        return made[-1]

    yield project
    for each in made:
        each.close()


@pytest.fixture
def project(request: pytest.FixtureRequest, projects: Callable[..., Project]) -> Iterator[Project]:
    """The project on Redis and PostgreSQL, or on what the test is parametrised with."""
    broker, database = getattr(request, "param", ("redis", "postgresql"))
    project = projects(broker, database)
    yield project
    project.close()


@pytest.fixture
def worker(project: Project) -> Callable[..., ProjectWorker]:
    """Start a worker of the project; see :meth:`Project.worker`."""
    return project.worker
