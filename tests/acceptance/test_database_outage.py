"""The database is away while jobs run: none fails for it, and none is taken for lost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.testing.localnodes import LocalMariaDB, LocalPostgreSQL
from tests.acceptance.drivers import Driver
from tests.acceptance.projects import NOTHING, Project
from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.acceptance.gates import Gate
    from tests.acceptance.stacks import Stacks

Server = LocalPostgreSQL | LocalMariaDB
Restartable = tuple[Project, Server]

#: Tasks, and the moment at which the outage finds them.
HELD = (
    ("quiet", "quiet"),
    ("parcel", "in a parcel"),
    ("sealed", "before the seal"),
    ("sealed", "under the seal"),
    ("chatter", "before the chatter"),
)
#: What a job under the seal had written is rolled back with its transaction, as without jobman.
BROKEN = "under the seal"
#: More lines than ``JOBMAN["LOG_BUFFER"]`` and one statement hold.
FLOOD = 12_000


@pytest.fixture
def restartable(
    request: pytest.FixtureRequest, stacks: Stacks, tmp_path: Path
) -> Iterator[Restartable]:
    """A project on a database server of its own: PostgreSQL, or what the test asks for."""
    server: Server = getattr(request, "param", LocalPostgreSQL)()
    stacks.start(server)
    stack = replace(
        stacks.get("redis", "sqlite"),
        name="restartable",
        database_url=server.create_database("own"),
    )
    with Driver(stack.environment(role="shared driver", folder=tmp_path)) as driver:
        driver.call("manage", "migrate", "--verbosity=0")
        project = Project(stack=stack, driver=driver, folder=tmp_path, queue="restartable")
        yield project, server
        project.close()
    server.teardown()


@pytest.mark.parametrize(("task", "moment"), [("quiet", "quiet"), ("parcel", "in a parcel")])
def test_a_database_that_is_away_for_a_moment_fails_no_job(
    restartable: Restartable, task: str, moment: str
) -> None:
    project, server = restartable
    tag = project.new_tag()
    gate = project.arm(tag, moment)
    worker = project.worker()
    job_id = project.enqueue(task, tag=tag)
    gate.wait()

    server.stop()
    gate.release()
    project.wait(lambda: "Database is away, trying again what=" in worker.logs())
    server.start()
    server.ready()

    job = project.wait_for(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 1), project.report(job_id)


@dataclass(kw_only=True)
class Crew:
    """A worker with a queue of its own, and the jobs that are held in it."""

    project: Project
    pool: str
    size: int
    settings: Mapping[str, Any]
    gates: list[Gate] = field(default_factory=list)
    moments: dict[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """Start the worker, and hold as many jobs in it as it can run."""
        self.project.worker(pool=self.pool, concurrency=self.size, settings=self.settings)
        for number in range(self.size):
            task, moment = HELD[number % len(HELD)]
            tag = self.project.new_tag()
            self.gates.append(self.project.arm(tag, moment))
            self.moments[tag] = moment
            self.project.enqueue(task, tag=tag)

    def wait(self) -> None:
        """Wait until every job is held."""
        for gate in self.gates:
            gate.wait(60)

    def release(self) -> None:
        """Let every job go on."""
        for gate in self.gates:
            gate.release()

    def has_succeeded(self) -> bool:
        """Whether every job succeeded."""
        return self.project.states() == {"succeeded": self.size}

    def check(self) -> None:
        """Make sure that every job succeeded, and ran once unless its transaction broke."""
        ledger = self.project.driver.call("ledger", self.project.queue)
        for tag, moment in self.moments.items():
            entry = ledger[tag]
            outcomes = [attempt["outcome"] for attempt in entry["attempts"]]
            expected = ["failed", "succeeded"] if moment == BROKEN else ["succeeded"]
            assert outcomes == expected, self.project.report(entry["id"])
            names = [effect["name"] for effect in entry["effects"]]
            assert names.count("seal") == (entry["task"].endswith(".sealed")), entry

    def stored(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """Yield the row of each job that logs, and the lines of it that were stored."""
        ledger = self.project.driver.call("ledger", self.project.queue)
        for tag, moment in self.moments.items():
            if moment == "before the chatter":
                job_id = ledger[tag]["id"]
                yield self.project.job(job_id), _lines(self.project, job_id)


def _lines(project: Project, job_id: str) -> list[str]:
    lines = project.rows("lines", job_id)
    return [line["message"] for line in lines if line["message"].startswith("line ")]


@pytest.fixture
def crews(restartable: Restartable) -> Iterator[Callable[..., Crew]]:
    """Make crews."""
    made: list[Crew] = []

    def crew(pool: str, size: int, settings: Mapping[str, Any]) -> Crew:
        project, _ = restartable
        own = replace(project, queue=f"{project.queue}{len(made)}", workers=[])
        made.append(Crew(project=own, pool=pool, size=size, settings=settings))
        return made[-1]

    yield crew
    for each in made:
        each.project.close()


@pytest.mark.parametrize(
    ("restartable", "sizes", "settings", "seconds"),
    [
        pytest.param(LocalPostgreSQL, [30, 10, 10], NOTHING, 60.0, id="postgresql"),
        pytest.param(LocalMariaDB, [5, 5], QUICK, 2.0 * QUICK["WORKER_LOST_AFTER"], id="mariadb"),
    ],
    indirect=["restartable"],
)
def test_a_database_that_is_away_for_longer_than_a_worker_may_be_silent_costs_no_job(
    restartable: Restartable,
    crews: Callable[..., Crew],
    sizes: list[int],
    settings: Mapping[str, Any],
    seconds: float,
) -> None:
    project, server = restartable
    first, *others = sizes
    everybody = [crews("threads", first, settings)]
    everybody += [crews("prefork", size, settings) for size in others]
    for crew in everybody:
        crew.begin()
    for crew in everybody:
        crew.wait()

    server.stop()
    latecomer = project.worker(settings=settings, wait=False)
    for crew in everybody:
        crew.release()
    time.sleep(seconds)  # what is tested is that it is so long
    server.start()
    server.ready()

    for crew in everybody:
        own = crew.project
        own.wait(crew.has_succeeded, timeout=90)
        crew.check()
        for job, lines in crew.stored():
            assert lines == [f"line {number}" for number in range(100)]
            assert (job["progress_current"], job["progress_total"]) == (100, 100)
        assert "Job rescued" not in own.workers[0].logs()
    assert "Job rescued" not in latecomer.logs()


def test_lines_that_the_buffer_could_not_hold_are_counted_and_shown(
    restartable: Restartable,
) -> None:
    project, server = restartable
    tag = project.new_tag()
    gate = project.arm(tag, "before the chatter")
    worker = project.worker()
    job_id = project.enqueue("chatter", FLOOD, tag=tag)
    gate.wait()

    server.stop()
    gate.release()
    project.wait(lambda: "Database is away, trying again what=finish" in worker.logs())
    server.start()
    server.ready()

    project.wait_for(job_id)
    lines = _lines(project, job_id)
    assert lines == [f"line {number}" for number in range(len(lines))]
    (attempt,) = project.rows("attempts", job_id)
    assert attempt["lines_dropped"] >= FLOOD - len(lines) > 0
    assert f"{attempt['lines_dropped']:,} log lines dropped" in project.driver.call(
        "manage", "jobman", "show", job_id
    )
