"""A deploy: workers are asked to stop while they run jobs, others go on with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from celery_jobman.testing.localnodes import wait_until

if TYPE_CHECKING:
    from tests.acceptance.projects import Project

ROUNDS = 40


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_job_is_interrupted_at_a_checkpoint_and_goes_on_elsewhere(
    project: Project, pool: str
) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "in a round", after=3)
    old = project.worker(pool=pool)
    job_id = project.enqueue("rounds", ROUNDS, tag=tag)
    gate.wait()
    new = project.worker(pool=pool)

    old.terminate()
    assert wait_until(lambda: "Warm shutdown" in old.logs(), timeout=10)
    gate.release()

    job = project.wait_for(job_id)
    assert project.outcomes(job_id) == ["interrupted", "succeeded"], project.report(job_id)
    assert (job["state"], job["attempt"], job["failures"]) == ("succeeded", 2, 0)
    first, second = project.rows("attempts", job_id)
    assert first["worker_id"] != second["worker_id"]
    assert second["resumed_from"] == "rounds"
    assert project.effects(job_id) == [f"round {number}" for number in range(ROUNDS)]
    assert old.process.wait(20)
    assert old.process.exit_code == 0
    assert new.status == "running"


def test_a_stopped_worker_says_goodbye(project: Project) -> None:
    worker = project.worker()
    project.wait_for(project.enqueue("noop"))

    worker.terminate()

    assert worker.process.wait(20)
    rows = project.driver.call("workers")
    (row,) = [row for row in rows if row["hostname"].startswith(f"{project.queue}-")]
    assert row["stopped_at"] is not None


def test_jobs_that_wait_are_not_touched_by_a_deploy(project: Project) -> None:
    worker = project.worker()
    gate = project.arm(tag := project.new_tag(), "asleep")
    running = project.enqueue("sleeper", 0, tag=tag)
    gate.wait()
    waiting = project.enqueue_many("touch", 5)

    worker.terminate()
    assert wait_until(lambda: "Warm shutdown" in worker.logs(), timeout=10)
    gate.release()
    assert worker.process.wait(20)

    assert project.job(running)["state"] == "succeeded"
    project.worker()
    for job_id in waiting:
        assert project.wait_for(job_id)["attempt"] == 1
        assert project.effects(job_id) == ["touch"]
