"""The broker or the web process is away; nothing is lost and the error is clear."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.acceptance.drivers import ProjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.acceptance.drivers import Driver
    from tests.acceptance.projects import Project

#: ``JOBMAN["PUBLISH_TIMEOUT"]``, and what the rest of ``delay()`` may take on a busy machine.
PUBLISH_TIMEOUT = 1.0
SLACK = 1.5
#: Connections that are tried at once to a broker that is away; then about one a second is.
KNOCKS = 4

CUT_ALL_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@pytest.fixture
def alone(request: pytest.FixtureRequest, projects: Callable[..., Project]) -> Iterator[Project]:
    """A project whose broker nobody else uses while the test runs."""
    project = projects(*getattr(request, "param", ("redis", "postgresql")), fresh=True)
    yield project
    project.close()
    _mend(project)


def _mend(project: Project) -> None:
    broker = project.stack.broker
    broker.unpause()
    broker.start()
    broker.ready()


@pytest.fixture
def web(alone: Project) -> Iterator[Driver]:
    """A process of the project that has published before."""
    with alone.another_driver() as web:
        web.call("enqueue", "noop", [alone.new_tag()], queue=alone.queue)
        yield web


@pytest.mark.parametrize("outage", ["stop", "pause"])
@pytest.mark.parametrize(
    "alone", [("redis", "postgresql"), ("rabbitmq", "mariadb")], indirect=True, ids="-".join
)
def test_a_job_waits_in_the_database_while_the_broker_is_away(
    alone: Project, web: Driver, outage: str
) -> None:
    alone.worker()
    alone.wait(lambda: alone.states() == {"succeeded": 1})
    getattr(alone.stack.broker, outage)()

    call = _delay(web, alone)

    assert call["seconds"] + call["dropping"] < PUBLISH_TIMEOUT + SLACK, call
    refused = alone.job(call["id"])
    assert refused["state"] == "scheduled"
    assert refused["dispatch_error"] != ""
    alone.wait(lambda: alone.job(call["id"])["available_at"] > refused["available_at"])
    assert alone.job(call["id"])["refused_at"] == refused["refused_at"]
    since = refused["refused_at"][:19].replace("T", " ")
    assert f"has not taken its message since {since}" in _shown(alone, call["id"])
    _mend(alone)
    assert alone.wait_for(call["id"], timeout=60)["dispatch_error"] == ""
    assert alone.effects(call["id"]) == ["touch"]


def _shown(project: Project, job_id: str) -> str:
    return " ".join(str(project.driver.call("manage", "jobman", "show", job_id)).split())


@pytest.mark.parametrize(
    "alone", [("redis", "postgresql"), ("rabbitmq", "mariadb")], indirect=True, ids="-".join
)
def test_many_calls_knock_no_more_often_at_a_broker_that_is_away_than_one(
    alone: Project, web: Driver
) -> None:
    alone.stack.broker.stop()
    began = time.monotonic()
    with ClosedDoor(alone.stack.broker.port) as door:
        first, *others = [_delay(web, alone) for _ in range(20)]
        seconds = time.monotonic() - began

    assert first["seconds"] < PUBLISH_TIMEOUT + SLACK
    assert max(call["seconds"] for call in others) < PUBLISH_TIMEOUT / 2
    assert 0 < door.knocks <= KNOCKS + 2 * seconds
    assert alone.states() == {"scheduled": 20, "queued": 1}


class ClosedDoor:
    """Stands where a broker was: takes every connection, counts it, and closes it at once."""

    def __init__(self, port: int) -> None:
        self.knocks = 0
        self._socket = socket.create_server(("127.0.0.1", port))
        self._thread = Thread(target=self._answer, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()

    def _answer(self) -> None:
        with suppress(OSError):
            while True:
                visitor, _ = self._socket.accept()
                self.knocks += 1
                visitor.close()


@pytest.mark.parametrize("published_before", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("project", [("rabbitmq", "mariadb")], indirect=True, ids="-".join)
def test_a_frozen_rabbitmq_does_not_hold_up_the_web_process(
    project: Project, *, published_before: bool
) -> None:
    with project.another_driver() as web:
        if published_before:
            web.call("enqueue", "noop", [project.new_tag()], queue=project.queue)
        project.stack.broker.pause()
        try:
            call = _delay(web, project)
        finally:
            project.stack.broker.unpause()

    assert call["seconds"] + call["dropping"] < PUBLISH_TIMEOUT + SLACK, call
    project.worker()
    project.wait_for(call["id"])
    assert project.effects(call["id"]) == ["touch"]


def _delay(web: Driver, project: Project) -> dict[str, Any]:
    web.begin("timed_enqueue", "touch", [project.new_tag()], queue=project.queue)
    call: dict[str, Any] = web.answer(timeout=25)
    return call


def test_a_web_process_killed_between_commit_and_publish_loses_nothing(
    project: Project,
) -> None:
    gate = project.arm("driver", "enqueued")
    with project.another_driver() as web:
        web.begin("enqueue", "touch", [project.new_tag()], queue=project.queue)
        gate.wait()
        web.kill()

    ((job_id, job),) = project.driver.call("jobs", project.queue).items()
    assert job["state"] in {"queued", "scheduled"}
    project.worker()
    assert project.wait_for(job_id)["state"] == "succeeded"
    assert project.effects(job_id) == ["touch"]


def test_a_read_only_database_is_a_clear_error_at_delay(projects: Callable[..., Project]) -> None:
    project = projects("redis", "postgresql", fresh=True)
    name = project.stack.database_url.rpartition("/")[2]
    project.driver.call("execute", f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    with project.another_driver() as web, pytest.raises(ProjectError) as refused:
        web.call("enqueue", "touch", [project.new_tag()], queue=project.queue)

    assert refused.value.kind == "DatabaseUnwritable"
    assert "read-only" in refused.value.message
    assert project.states() == {}


def test_connections_cut_under_a_worker_cost_no_job(
    projects: Callable[..., Project],
) -> None:
    project = projects("redis", "postgresql", fresh=True)
    worker = project.worker()
    first = project.enqueue("touch")
    project.wait_for(first)
    project.driver.call("execute", CUT_ALL_OTHERS)

    began = time.monotonic()
    second = project.enqueue("touch")

    assert project.wait_for(second)["state"] == "succeeded"
    assert time.monotonic() - began < 20
    assert project.effects(second) == ["touch"]
    assert worker.status == "running"
