"""``kill -9`` of a worker where the fault matrix does not go: SQLite, and the default settings.

Every moment of a job's life is in :mod:`tests.acceptance.faults`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.projects import Project

#: Seconds, from the blow to the end of the job.
PROMISED = 45


@pytest.mark.parametrize("project", [("redis", "sqlite")], indirect=True, ids="-".join)
def test_a_job_on_sqlite_outlives_its_worker(project: Project) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "inside a step")
    victim = project.worker()
    job_id = project.enqueue("voyage", tag=tag)
    gate.wait()
    project.worker()

    victim.kill_main()

    job = project.wait_for(job_id, timeout=PROMISED)
    assert job["state"] == "succeeded"
    assert project.outcomes(job_id) == ["lost", "succeeded"]


def test_with_default_settings_a_lost_job_runs_elsewhere_in_time(project: Project) -> None:
    tag = project.new_tag()
    gate = project.arm(tag, "step:checkpointed")
    victim = project.worker(settings={})
    job_id = project.enqueue("voyage", tag=tag)
    gate.wait()
    project.worker(settings={})

    victim.kill_main()

    job = project.wait_for(job_id, timeout=PROMISED)
    assert job["state"] == "succeeded"
    assert project.effects(job_id).count("pack") == 1
