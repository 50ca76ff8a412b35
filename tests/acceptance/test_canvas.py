"""Celery's own chains on a real worker: what waits is seen, ends with its chain, and goes on."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.drivers import ProjectError
from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from tests.acceptance.projects import Project

everywhere = pytest.mark.parametrize(
    "project", [("redis", "postgresql"), ("rabbitmq", "mariadb")], indirect=True, ids="-".join
)


def _enqueue(project: Project, *links: tuple[Any, ...]) -> list[str]:
    """Enqueue a chain; return the ids of its jobs."""
    ids: list[str] = project.driver.call("enqueue_links", links, queue=project.queue)
    assert len(ids) == len(links)
    return ids


def _states(project: Project, ids: list[str]) -> list[str]:
    return [project.job(job_id)["state"] for job_id in ids]


def _has_returned(project: Project, job_id: str, value: Any = None) -> bool:
    """Whether Celery's result backend knows of a success with this value."""
    with suppress(ProjectError):  # the row ends a moment before Celery stores the result
        found = project.driver.call("result", project.job(job_id)["task_id"], 10)
        return bool(found == value)
    return False


@everywhere
def test_a_failure_in_the_middle_is_retried_and_the_chain_goes_on(project: Project) -> None:
    tags = [project.new_tag() for _ in range(4)]
    ids = _enqueue(
        project,
        ("touch", tags[0]),
        ("failing", tags[1], 3),
        ("touch", tags[2]),
        ("touch", tags[3]),
    )
    assert _states(project, ids) == ["queued", "blocked", "blocked", "blocked"]

    project.worker()
    project.wait(lambda: _states(project, ids) == ["succeeded", "failed", "skipped", "skipped"])
    assert project.outcomes(ids[1]) == ["failed"] * 3

    project.driver.call("act", "retry", ids[1])
    project.wait(lambda: _states(project, ids) == ["succeeded"] * 4)

    assert project.states() == {"succeeded": 4}
    assert [project.effects(job_id) for job_id in ids] == [
        ["touch"],
        ["try"] * 4,
        ["touch"],
        ["touch"],
    ]
    project.wait(lambda: _has_returned(project, ids[3]))


@everywhere
def test_a_cancel_in_the_middle_skips_the_rest(project: Project) -> None:
    tags = [project.new_tag() for _ in range(3)]
    gate = project.arm(tags[1], "in a round")
    project.worker()
    ids = _enqueue(project, ("touch", tags[0]), ("rounds", tags[1], 50), ("touch", tags[2]))

    gate.wait()
    project.driver.call("act", "cancel", ids[1])
    gate.release()
    project.wait(lambda: _states(project, ids) == ["succeeded", "cancelled", "skipped"])
    project.driver.call("act", "retry", ids[1])

    project.wait(lambda: _states(project, ids) == ["succeeded"] * 3)
    assert project.effects(ids[2]) == ["touch"]
    assert project.states() == {"succeeded": 3}


@everywhere
def test_a_chain_goes_on_after_the_process_of_a_link_was_killed(project: Project) -> None:
    tags = [project.new_tag() for _ in range(3)]
    gate = project.arm(tags[1], "in a round")
    project.worker(concurrency=2)
    ids = _enqueue(project, ("touch", tags[0]), ("rounds", tags[1], 3), ("touch", tags[2]))

    os.kill(gate.wait(), signal.SIGKILL)
    project.wait(lambda: _states(project, ids) == ["succeeded"] * 3)

    assert project.outcomes(ids[1]) == ["lost", "succeeded"]
    assert project.effects(ids[2]) == ["touch"]


def test_a_link_that_is_given_up_with_its_process_skips_the_rest(project: Project) -> None:
    tags = [project.new_tag() for _ in range(3)]
    gate = project.arm(tags[1], "in a round")
    project.worker(settings={**QUICK, "POISON_LIMIT": 1})
    ids = _enqueue(project, ("touch", tags[0]), ("rounds", tags[1], 3), ("touch", tags[2]))

    os.kill(gate.wait(), signal.SIGKILL)

    project.wait(lambda: _states(project, ids) == ["succeeded", "failed", "skipped"])


def test_a_chord_that_failed_runs_again_with_the_job_before_it(project: Project) -> None:
    tags = [project.new_tag() for _ in range(4)]
    ids = project.driver.call("enqueue_diamond", project.queue, *tags)
    assert _states(project, ids) == ["queued", "blocked", "blocked", "blocked"]

    project.worker()
    project.wait(lambda: _states(project, ids) == ["succeeded", "failed", "succeeded", "skipped"])

    project.driver.call("act", "retry", ids[0], confirm_succeeded=True)
    project.wait(lambda: _states(project, ids) == ["succeeded"] * 4)
    assert [len(project.outcomes(job_id)) for job_id in ids] == [2, 4, 2, 1]


def test_the_body_of_a_chord_comes_after_all_whoever_is_killed(project: Project) -> None:
    tags = [project.new_tag() for _ in range(3)]
    gate = project.arm(tags[1], "in a round")
    ids = project.driver.call(
        "enqueue_chord", project.queue, [("touch", tags[0]), ("rounds", tags[1], 3)], tags[2]
    )
    assert _states(project, ids) == ["queued", "queued", "blocked"]

    project.worker(concurrency=2)
    os.kill(gate.wait(), signal.SIGKILL)
    project.wait(lambda: _states(project, ids) == ["succeeded"] * 3)

    assert project.states() == {"succeeded": 3}
    assert project.effects(ids[2]) == ["touch"]


def test_the_body_of_a_chord_is_skipped_with_a_member_that_fails(project: Project) -> None:
    tags = [project.new_tag() for _ in range(3)]
    ids = project.driver.call(
        "enqueue_chord", project.queue, [("touch", tags[0]), ("failing", tags[1], 3)], tags[2]
    )

    project.worker()
    project.wait(lambda: _states(project, ids) == ["succeeded", "failed", "skipped"])

    assert project.states() == {"succeeded": 1, "failed": 1, "skipped": 1}


@everywhere
def test_a_fork_does_not_send_what_waits_for_the_link_that_still_runs(project: Project) -> None:
    tags = [project.new_tag() for _ in range(2)]
    gate = project.arm(tags[0], "in a round")
    project.worker(concurrency=2)
    ids = _enqueue(project, ("rounds", tags[0], 3), ("touch", tags[1]))
    gate.wait()

    fork = str(project.driver.call("act", "fork", ids[0], args=[project.new_tag(), 1]))
    project.wait(lambda: _has_returned(project, fork, 1))
    assert _states(project, [fork, *ids]) == ["succeeded", "running", "blocked"]
    gate.release()
    project.wait(lambda: _states(project, ids) == ["succeeded"] * 2)

    assert project.states() == {"succeeded": 3}
    assert project.effects(ids[1]) == ["touch"]


def test_a_fork_is_no_member_of_the_chord_that_still_runs(project: Project) -> None:
    tags = [project.new_tag() for _ in range(3)]
    gate = project.arm(tags[1], "in a round")
    ids = project.driver.call(
        "enqueue_chord", project.queue, [("touch", tags[0]), ("rounds", tags[1], 3)], tags[2]
    )
    project.worker(concurrency=2)
    gate.wait()
    project.wait(lambda: _states(project, ids) == ["succeeded", "running", "blocked"])

    fork = str(project.driver.call("act", "fork", ids[0]))
    project.wait(lambda: _has_returned(project, fork))
    assert _states(project, [fork, *ids]) == ["succeeded", "succeeded", "running", "blocked"]
    gate.release()
    project.wait(lambda: _states(project, ids) == ["succeeded"] * 3)

    assert project.states() == {"succeeded": 4}
    assert project.effects(ids[2]) == ["touch"]


@everywhere
def test_a_map_is_a_job_that_outlives_its_process(project: Project) -> None:
    tags = [project.new_tag() for _ in range(3)]
    gate = project.arm("worker 1", "iteration:item", after=1)  # it has no tag
    job_id = project.driver.call("enqueue_map", project.queue, tags)

    project.worker(concurrency=2)
    os.kill(gate.wait(), signal.SIGKILL)
    project.wait(lambda: _states(project, [job_id]) == ["succeeded"])

    assert project.outcomes(job_id) == ["lost", "succeeded"]
    assert project.job(job_id)["label"].endswith("quiet.map")
    assert project.states() == {"succeeded": 1}
