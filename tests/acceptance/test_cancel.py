"""Cancel: before it starts, at a checkpoint, and in the middle of a body that has none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from tests.acceptance.projects import Project


def test_a_queued_job_is_cancelled_at_once_and_never_runs(project: Project) -> None:
    job_id = project.enqueue("touch")

    assert project.driver.call("act", "cancel", job_id) == "cancelled"

    assert project.job(job_id)["state"] == "cancelled"
    project.worker()
    project.wait_for(project.enqueue("noop"))
    assert project.job(job_id)["state"] == "cancelled"
    assert project.effects(job_id) == []
    assert project.outcomes(job_id) == []


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_running_job_stops_at_its_next_checkpoint(project: Project, pool: str) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "in a round", after=1)
    project.worker(pool=pool, settings={**QUICK, "CANCEL_GRACE": 60})
    job_id = project.enqueue("rounds", 1000, tag=tag)
    gate.wait()

    assert project.driver.call("act", "cancel", job_id) == "running"
    gate.release()

    assert project.wait_for(job_id)["state"] == "cancelled"
    assert project.outcomes(job_id) == ["cancelled"]
    done = len(project.effects(job_id))
    assert 2 <= done < 100
    (step,) = project.rows("steps", job_id)
    assert step["done"] in {done - 1, done}


def test_a_forced_cancel_ends_one_long_sleep(project: Project) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "asleep")
    worker = project.worker()
    pids = worker.pool_pids()
    job_id = project.enqueue("sleeper", 120, tag=tag)
    gate.wait()
    gate.release()
    began = time.monotonic()

    project.driver.call("act", "cancel", job_id, force=True)

    assert project.wait_for(job_id)["state"] == "cancelled"
    assert time.monotonic() - began < 10
    assert project.outcomes(job_id) == ["cancelled"]
    assert project.effects(job_id) == ["asleep"]
    assert project.wait_for(project.enqueue("noop"))["state"] == "succeeded"
    assert worker.pool_pids() == pids, "the pool process was killed, and need not have been"


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_forced_cancel_ends_a_busy_thread(project: Project, pool: str) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "spinning")
    project.worker(pool=pool)
    job_id = project.enqueue("spinner", 120, tag=tag)
    gate.wait()
    gate.release()

    project.driver.call("act", "cancel", job_id, force=True)

    assert project.wait_for(job_id)["state"] == "cancelled"
    assert project.outcomes(job_id) == ["cancelled"]
    assert project.effects(job_id) == []
    assert project.wait_for(project.enqueue("noop"))["state"] == "succeeded"


def test_after_the_grace_a_cancel_is_forced(project: Project) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "asleep")
    project.worker(settings={**QUICK, "CANCEL_GRACE": 1})
    job_id = project.enqueue("sleeper", 120, tag=tag)
    gate.wait()
    gate.release()

    project.driver.call("act", "cancel", job_id)

    assert project.wait_for(job_id)["state"] == "cancelled"
    assert project.effects(job_id) == ["asleep"]
