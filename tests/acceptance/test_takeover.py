"""Two workers for one job: a frozen worker that comes back, a message that came twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from tests.acceptance.projects import Project


@pytest.mark.parametrize(
    ("pool", "task", "moment", "successors_moment"),
    [
        ("prefork", "voyage", "inside a step", "iteration:item"),
        ("threads", "voyage", "inside a step", "iteration:item"),
        ("prefork", "quiet", "quiet", "finishing"),
    ],
)
def test_a_frozen_worker_that_comes_back_writes_over_nothing(
    project: Project, pool: str, task: str, moment: str, successors_moment: str
) -> None:
    tag = project.new_tag()
    first = project.arm(tag, moment)
    frozen = project.worker(pool=pool)
    job_id = project.enqueue(task, tag=tag)
    first.wait()
    second = project.arm(tag, successors_moment)
    project.worker(pool=pool)

    frozen.pause()
    second.wait()
    first.release()
    frozen.unpause()
    frozen.terminate()

    assert frozen.process.wait(20), project.report(job_id)
    assert "Traceback" not in frozen.logs()
    job = project.job(job_id)
    assert (job["state"], job["attempt"]) == ("running", 2)
    second.release()
    assert project.wait_for(job_id)["state"] == "succeeded"
    assert project.outcomes(job_id) == ["lost", "succeeded"]
    counts = Counter((row["name"], row["attempt"]) for row in project.rows("effects", job_id))
    assert set(counts.values()) <= {1}
    assert {name for name, attempt in counts if attempt == 1} <= {"pack"}


@pytest.mark.parametrize(
    "project", [("redis", "postgresql"), ("rabbitmq", "mariadb")], indirect=True, ids="-".join
)
def test_a_message_that_comes_four_times_runs_once(project: Project) -> None:
    job_id = project.enqueue("touch")
    project.driver.call("send_again", job_id, 3)

    project.worker(concurrency=4)
    project.wait_for(job_id)
    project.wait_for(project.enqueue("noop"))

    assert project.effects(job_id) == ["touch"]
    assert project.outcomes(job_id) == ["succeeded"]


def test_a_message_of_an_older_delivery_is_stale(project: Project) -> None:
    job_id = project.enqueue("touch")
    project.driver.call("act", "cancel", job_id)
    project.driver.call("act", "retry", job_id)
    project.worker(concurrency=2, settings={**QUICK, "REDELIVER_AFTER": 60})

    project.wait_for(job_id)
    project.wait_for(project.enqueue("noop"))

    assert project.effects(job_id) == ["touch"]
    assert project.outcomes(job_id) == ["succeeded"]
