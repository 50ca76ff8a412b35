"""``kill -9`` at every moment of a job's life.

For each moment one job is held exactly there by a gate; then the blow falls on all at once.
Whatever was hit, every job ends, once, and what it had saved is not done again.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.testing.localnodes import wait_until
from tests.acceptance.gates import NeverReached
from tests.acceptance.projects import FINAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.gates import Gate
    from tests.acceptance.projects import Project

#: When the blow falls: the moment, and how often it passes before.
MOMENTS = {
    "claimed": ("claimed", 0),
    "before body": ("before body", 0),
    "inside a step": ("inside a step", 0),
    "between work and checkpoint": ("step:work done", 0),
    "after a checkpoint": ("step:checkpointed", 0),
    "inside an atomic step": ("step:work done", 1),
    "before an atomic commit": ("atomic:before commit", 0),
    "inside an iteration": ("iteration:item", 2),
    "after a cursor was saved": ("iteration:checkpointed", 1),
    "finishing": ("finishing", 0),
    "finished": ("finished", 0),
}
#: A message that the worker had taken from the broker, and no process had begun.
UNCLAIMED = "unclaimed"

#: Effects that are there twice, because the blow fell after the work and before the checkpoint.
REPEATED = {
    "inside a step": {"pack"},
    "between work and checkpoint": {"pack"},
}
ALL = {"pack", "ship", "close", *(f"stop {stop}" for stop in "abcdef")}

#: Seconds, from the blow to the end of the job.
PROMISED = 45
#: The same where only the pool process died: its own worker notices at once.
PROMISED_AT_ONCE = 15


@dataclass(kw_only=True)
class Struck:
    """What became of the jobs."""

    project: Project
    jobs: dict[str, str] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    never_reached: dict[str, NeverReached] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def hold(self, when: str) -> None:
        """Enqueue a job that will stand still at one of ``MOMENTS``."""
        tag = self.project.new_tag()
        moment, after = MOMENTS[when]
        self.gates[when] = self.project.arm(tag, moment, after=after)
        self.jobs[when] = self.project.enqueue("voyage", tag=tag)

    def wait_for_all(self) -> None:
        """Wait until every job stands at its moment; a moment that never comes fails its test."""
        for moment, gate in self.gates.items():
            try:
                gate.wait()
            except NeverReached as error:
                self.never_reached[moment] = error

    def kill_children(self) -> None:
        """Kill every process that stands at a gate."""
        for moment in self.gates.keys() - self.never_reached.keys():
            os.kill(self.gates[moment].pid, signal.SIGKILL)

    def watch(self) -> None:
        """Note when each job ended, until all have or the promised time is over."""
        began = time.monotonic()

        def all_final() -> bool:
            rows = self.project.driver.call("jobs", self.project.queue)
            for moment, job_id in self.jobs.items():
                if rows[job_id]["state"] in FINAL:
                    self.seconds.setdefault(moment, time.monotonic() - began)
            return len(self.seconds) == len(self.jobs)

        wait_until(all_final, timeout=PROMISED)
        # Messages are taken in order: when this job is done, no older message is left to run.
        self.project.wait_for(self.project.enqueue("noop"))

    def finished(self, moment: str) -> dict[str, Any]:
        """Return a job's row, or fail with the reason why there is nothing to look at."""
        if moment in self.never_reached:
            raise self.never_reached[moment]
        row = self.project.job(self.jobs[moment])
        assert moment in self.seconds, self.project.report(self.jobs[moment])
        return row


@pytest.fixture(
    scope="module",
    params=[("redis", "postgresql"), ("rabbitmq", "mariadb")],
    ids="-".join,
)
def children_killed(request: pytest.FixtureRequest, projects: Callable[..., Project]) -> Struck:
    struck = Struck(project=projects(*request.param))
    struck.project.worker(concurrency=len(MOMENTS))
    for moment in MOMENTS:
        struck.hold(moment)
    struck.wait_for_all()
    struck.kill_children()
    struck.watch()
    struck.project.close()
    return struck


@pytest.fixture(
    scope="module",
    params=[("redis", "postgresql", "prefork"), ("rabbitmq", "mariadb", "threads")],
    ids="-".join,
)
def main_killed(request: pytest.FixtureRequest, projects: Callable[..., Project]) -> Struck:
    broker, database, pool = request.param
    struck = Struck(project=projects(broker, database))
    victim = struck.project.worker(pool=pool, concurrency=len(MOMENTS))
    for moment in MOMENTS:
        struck.hold(moment)
    struck.wait_for_all()
    struck.jobs[UNCLAIMED] = struck.project.enqueue("touch")
    struck.project.worker(pool=pool, concurrency=2)
    victim.kill_main()
    struck.watch()
    struck.project.close()
    return struck


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_job_outlives_its_pool_process(children_killed: Struck, moment: str) -> None:
    job = children_killed.finished(moment)

    assert job["state"] == "succeeded"
    assert children_killed.seconds[moment] < PROMISED_AT_ONCE
    _assert_the_books(children_killed, moment)
    _assert_others_went_on(children_killed, moment, "pid")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_job_outlives_its_worker(main_killed: Struck, moment: str) -> None:
    job = main_killed.finished(moment)

    assert job["state"] == "succeeded"
    _assert_the_books(main_killed, moment)
    _assert_others_went_on(main_killed, moment, "worker_id")


def test_a_message_that_died_with_its_worker_is_sent_again(main_killed: Struck) -> None:
    job = main_killed.finished(UNCLAIMED)

    assert job["state"] == "succeeded"
    assert main_killed.project.outcomes(main_killed.jobs[UNCLAIMED]) == ["succeeded"]
    assert main_killed.project.effects(main_killed.jobs[UNCLAIMED]) == ["touch"]


def test_nothing_is_left_of_a_killed_worker(main_killed: Struck) -> None:
    assert set(main_killed.project.states()) == {"succeeded"}, main_killed.project.report()


def test_nothing_is_left_of_killed_pool_processes(children_killed: Struck) -> None:
    assert set(children_killed.project.states()) == {"succeeded"}, children_killed.project.report()


def _assert_the_books(struck: Struck, moment: str) -> None:
    job_id = struck.jobs[moment]
    wanted = ["succeeded"] if moment == "finished" else ["lost", "succeeded"]
    assert struck.project.outcomes(job_id) == wanted
    assert struck.project.job(job_id)["attempt"] == len(wanted)
    rows = struck.project.rows("effects", job_id)
    each_attempt = Counter((row["name"], row["attempt"]) for row in rows)
    assert set(each_attempt.values()) == {1}, "something was done twice in one attempt"
    counts = Counter(row["name"] for row in rows)
    assert set(counts) == ALL, "something was not done"
    assert {name for name, count in counts.items() if count > 1} == REPEATED.get(moment, set())


def _assert_others_went_on(struck: Struck, moment: str, who: str) -> None:
    attempts = struck.project.rows("attempts", struck.jobs[moment])
    assert len({attempt[who] for attempt in attempts}) == len(attempts)
    assert [attempt["trigger"] for attempt in attempts] == ["automatic", "rescue"][: len(attempts)]


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
