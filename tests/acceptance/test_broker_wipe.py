"""The broker loses all its messages; no job is lost with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.testing.localnodes import LocalRedis
from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Project

COUNT = 1000


def test_no_job_is_lost_when_the_broker_is_wiped(projects: Callable[..., Project]) -> None:
    project = projects("redis", "postgresql", fresh=True)
    ids = project.enqueue_many("noop", COUNT)
    assert project.states() == {"queued": COUNT}
    assert isinstance(project.stack.broker, LocalRedis)
    assert project.stack.broker.command(f"LLEN {project.queue}") == f":{COUNT}"

    project.stack.broker.wipe()

    assert project.stack.broker.command("DBSIZE") == ":0"
    project.worker(concurrency=2, settings={**QUICK, "REDELIVER_AFTER": 2})
    project.wait(lambda: project.states() == {"succeeded": COUNT}, timeout=90)
    rows = project.driver.call("jobs", project.queue)
    assert set(rows) == set(ids)
    assert {row["attempt"] for row in rows.values()} == {1}
