"""From ``delay()`` to the rows, through a real broker, a real worker and a real database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Project

PLACES = [
    ("redis", "postgresql", "prefork"),
    ("redis", "postgresql", "threads"),
    ("redis", "postgresql", "solo"),
    ("rabbitmq", "mariadb", "prefork"),
    ("rabbitmq", "mariadb", "threads"),
    ("redis", "sqlite", "prefork"),
    ("redis", "sqlite", "threads"),
]


@dataclass(frozen=True, kw_only=True)
class Told:
    """A project whose jobs have all ended."""

    project: Project
    story: str
    recovering: str
    hopeless: str


@pytest.fixture(scope="module", params=PLACES, ids="-".join)
def told(request: pytest.FixtureRequest, projects: Callable[..., Project]) -> Told:
    broker, database, pool = request.param
    project = projects(broker, database)
    told = Told(
        project=project,
        story=project.enqueue("story", tag="once"),
        recovering=project.enqueue("failing", 2),
        hopeless=project.enqueue("failing", 5),
    )
    project.worker(pool=pool, concurrency=2)
    for job_id in (told.story, told.recovering, told.hopeless):
        project.wait_for(job_id)
    project.close()
    return told


def test_a_job_succeeds_in_one_attempt(told: Told) -> None:
    job = told.project.job(told.story)

    assert (job["state"], job["attempt"], job["failures"]) == ("succeeded", 1, 0)
    assert job["result"] == "10"
    assert job["created_at"] <= job["queued_at"] <= job["started_at"] <= job["finished_at"]
    assert told.project.outcomes(told.story) == ["succeeded"]


def test_the_attempt_tells_who_ran_it(told: Told) -> None:
    (attempt,) = told.project.rows("attempts", told.story)
    workers = {worker["id"]: worker for worker in told.project.driver.call("workers")}

    assert attempt["hostname"].startswith(f"{told.project.queue}-")
    assert attempt["pid"] > 0
    assert workers[attempt["worker_id"]]["hostname"] == attempt["hostname"]


def test_log_lines_name_their_attempt_and_step(told: Told) -> None:
    lines = told.project.rows("lines", told.story)

    assert [(line["message"], line["step"]) for line in lines] == [
        ("before the steps", ""),
        ("hello once", "greet"),
        ("counting 1", "count"),
        ("counting 2", "count"),
        ("counting 3", "count"),
        ("counting 4", "count"),
        ("after the steps", ""),
    ]
    assert {line["attempt"] for line in lines} == {1}
    assert [line["level"] for line in lines] == [20] * 6 + [30]
    assert {line["logger"] for line in lines} == {"tests.acceptance.project.tasks"}


def test_steps_are_kept_in_order_with_what_they_returned(told: Told) -> None:
    greet, count = told.project.rows("steps", told.story)

    assert (greet["name"], greet["state"], greet["result"]) == (
        "greet",
        "succeeded",
        '"hello once"',
    )
    assert (count["name"], count["state"]) == ("count", "succeeded")
    assert (count["done"], count["total"], count["cursor"]) == (4, 4, "4")


def test_the_last_progress_is_never_lost(told: Told) -> None:
    job = told.project.job(told.story)

    assert (job["progress_current"], job["progress_total"]) == (4, 4)
    assert job["progress_message"] == "all counted"


def test_a_task_that_raises_is_tried_again(told: Told) -> None:
    job = told.project.job(told.recovering)

    assert (job["state"], job["attempt"], job["failures"]) == ("succeeded", 3, 2)
    assert told.project.outcomes(told.recovering) == ["failed", "failed", "succeeded"]
    assert told.project.effects(told.recovering) == ["try"] * 3
    assert job["error_class"] == ""
    assert job["last_failed_at"] is not None


def test_a_job_fails_when_no_attempt_is_left(told: Told) -> None:
    job = told.project.job(told.hopeless)
    attempts = told.project.rows("attempts", told.hopeless)

    assert (job["state"], job["attempt"], job["failures"]) == ("failed", 3, 3)
    assert job["error_class"] == "ValueError"
    assert job["error_message"].startswith("failure 3 of")
    assert [attempt["error_message"][:9] for attempt in attempts] == [
        "failure 1",
        "failure 2",
        "failure 3",
    ]
    assert all("in failing" in attempt["traceback"] for attempt in attempts)


def test_celery_has_the_result_too(told: Told) -> None:
    def result(job_id: str) -> Any:
        return told.project.driver.call("result", job_id, timeout=10)

    assert result(told.story) == 10
    assert result(told.recovering) == 3
