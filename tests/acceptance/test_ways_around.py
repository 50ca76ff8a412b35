"""The table of ways around us: each body runs as often as it should, and each end is told.

A way is how a project's base class, hook, request or app comes between Celery and the job.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from celery_jobman.testing.localnodes import wait_until
from tests.acceptance import deeds, executions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.acceptance.projects import Project

POOLS: Final = ("prefork", "threads", "solo")
CELERY: Final = {"CELERY_TASK_TRACK_STARTED": True}
SUCCEEDED: Final = ("succeeded",)
FAILED: Final = ("failed",)


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way around us, and what must come of one call."""

    name: str
    #: How each attempt ended, in order; the last is the job's end.  None: there is no job.
    outcomes: tuple[str, ...] | None = SUCCEEDED
    #: What the task did, and how often.
    ran: tuple[str, ...] = ("body",)
    #: Celery's result.
    told: str = ""
    pools: tuple[str, ...] = POOLS

    @property
    def end(self) -> dict[str, Any]:
        """What is known of the call when all is over."""
        outcomes = self.outcomes or ()
        told = "SUCCESS" if not outcomes or outcomes[-1] == "succeeded" else "FAILURE"
        return {"states": [*outcomes[-1:]], "outcomes": [*outcomes], "told": self.told or told}


WAYS: Final = (
    Way(name="own_call"),
    Way(name="around", ran=("before", "body", "after")),
    Way(name="mixed", ran=("before_start", "body")),
    Way(name="raises_before", outcomes=FAILED, ran=()),
    Way(name="raises_after", outcomes=FAILED),
    Way(name="raises_after_twice", outcomes=("failed", "failed"), ran=("body", "body")),
    Way(name="before_start_raises", outcomes=FAILED, ran=()),
    Way(name="before_start_raises_once", outcomes=("failed", "succeeded")),
    Way(name="before_start_retries", outcomes=("released", "released", "succeeded")),
    Way(name="on_success", ran=("body", "on_success body")),
    Way(name="on_success_raises", outcomes=FAILED, ran=("body", "on_success")),
    # The result backend keeps a success, and so does the row, which notes what was raised.
    Way(name="after_return_raises"),
    Way(name="own_request"),
    Way(
        name="own_request_killed",
        outcomes=("lost", "succeeded"),
        ran=("body", "request", "body"),
        pools=("prefork",),
    ),
    Way(name="declared_elsewhere"),
    Way(name="declared_failing", outcomes=FAILED),
    Way(name="declared_retrying", outcomes=("failed", "succeeded"), ran=("body", "body")),
    Way(name="declared_tracked"),
    Way(name="plain", outcomes=None),
    Way(name="exits", outcomes=FAILED),
    Way(name="exits_twice", outcomes=("failed", "failed"), ran=("body", "body")),
    Way(name="raises_retry", outcomes=("released", "succeeded"), ran=("body", "body")),
    Way(
        name="raises_retry_for_ever",
        outcomes=("released", "released", "failed"),
        ran=("body", "body", "body"),
    ),
    Way(name="own_apply_async"),
    Way(name="sends_itself"),
    Way(name="signalled"),
)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Every way, called once with a worker of one pool."""

    pool: str
    project: Project
    ids: dict[str, str]

    def end_of(self, way: Way) -> dict[str, Any]:
        """Return what is known of the call of a way."""
        found: dict[str, Any] = self.project.driver.call("went", self.ids[way.name])
        return found

    def ran(self, way: Way) -> Counter[str]:
        """Count what the task of a way did."""
        noted = deeds.noted(self.project.folder)
        return Counter(each["name"] for each in noted if each["tag"] == self.tag(way))

    def tag(self, way: Way) -> str:
        return f"{self.project.queue} {way.name}"


@pytest.fixture(scope="module", params=POOLS)
def walk(request: pytest.FixtureRequest, projects: Callable[..., Project]) -> Iterator[Walk]:
    """Call every way at once."""
    project = projects("redis", "postgresql")
    project.worker(pool=request.param, concurrency=2, celery=CELERY)
    walk = Walk(pool=request.param, project=project, ids={})
    for way in WAYS:
        if request.param in way.pools:
            call = (way.name, walk.tag(way), project.queue)
            walk.ids[way.name] = project.driver.call("go", *call)
    yield walk
    project.close()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_no_way_leads_around_the_job(walk: Walk, way: Way) -> None:
    if walk.pool not in way.pools:
        pytest.skip(f"the {walk.pool} pool has no process to lose")

    # A job that has ended is sent no more: only what is queued is ever sent again.
    wait_until(lambda: walk.end_of(way) == way.end, timeout=40)

    assert walk.end_of(way) == way.end, walk.project.report()
    assert walk.ran(way) == Counter(way.ran)


def test_a_message_that_is_dropped_changes_no_result(project: Project) -> None:
    """Celery stores STARTED of each message that it executes; these are not executed."""
    tags = [project.new_tag() for _ in range(2)]
    done, cancelled = (project.enqueue("noop", tag=tag) for tag in tags)
    project.driver.call("act", "cancel", cancelled)
    project.worker(celery=CELERY)
    project.wait_for(done)
    project.wait(lambda: project.driver.call("went", done)["told"] == "SUCCESS")

    project.driver.call("deliver_again", done)
    project.wait(lambda: dropped(project) == {done, cancelled})

    assert project.driver.call("went", done)["told"] == "SUCCESS"
    assert project.driver.call("went", cancelled)["told"] == "REVOKED"


def dropped(project: Project) -> set[str]:
    noted = executions.noted(project.folder)
    return {each["job"] for each in noted if each["state"] == executions.DROPPED}
