"""A process dies between the end of a link and the next link of its chain: the chain goes on."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.acceptance import deeds

if TYPE_CHECKING:
    from tests.acceptance.projects import Project

#: Moments from the end of a link on, and how its attempts have ended when its process dies there.
MOMENTS = {
    "links written": ["lost", "succeeded"],
    "enqueued": ["succeeded"],
    "finished": ["succeeded"],
}


@pytest.mark.parametrize(
    "project", [("redis", "postgresql"), ("rabbitmq", "mariadb")], indirect=True, ids="-".join
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_chain_outlives_the_process_of_a_link(project: Project, moment: str) -> None:
    tags = [project.new_tag() for _ in range(3)]
    gate = project.arm(tags[0], moment)
    project.worker(concurrency=2)
    links = project.driver.call("enqueue_chain", "knock", tags, queue=project.queue)
    os.kill(gate.wait(), signal.SIGKILL)

    project.wait(lambda: project.states() == {"succeeded": 3})
    project.wait_for(project.enqueue("noop"))

    ids = [project.driver.call("found", link) for link in links]
    outcomes = [project.outcomes(job_id) for job_id in ids]
    assert outcomes == [MOMENTS[moment], ["succeeded"], ["succeeded"]]
    done = Counter(each["job"] for each in deeds.noted(project.folder))
    assert [done[job_id] for job_id in ids] == [len(MOMENTS[moment]), 1, 1]
