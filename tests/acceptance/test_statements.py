"""What a no-op job costs the database, counted in PostgreSQL's own log."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from celery_jobman.testing.localnodes import LocalPostgreSQL
from tests.acceptance.drivers import Driver
from tests.acceptance.projects import Project
from tests.acceptance.stacks import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.stacks import Stacks

JOBS = 50
CONCURRENCY = 2
LOGGED = ("log_statement=all", "log_connections=on", "log_line_prefix=<%p> ")

_STATEMENT = re.compile(r"^<(?P<backend>\d+)> LOG:  (?:statement|execute [^:]*): (?P<sql>.*)")
_CONNECTION = re.compile(r"^<(?P<backend>\d+)> LOG:  connection authorized")
_WRITE = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM) (\w+)")
_FRAMES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One line of the server's log."""

    backend: str
    sql: str

    @property
    def is_frame(self) -> bool:
        """Whether it only begins or ends a transaction."""
        return self.sql.upper().startswith(_FRAMES)

    @property
    def writes(self) -> list[str]:
        """``UPDATE jobman_job`` and the like; a statement with a WITH may write two tables."""
        found = _WRITE.findall(self.sql.replace('"', ""))
        return [f"{verb.split()[0]} {table}" for verb, table in found]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the database saw while the jobs ran."""

    #: Of the connections that carry jobs: the driver's, and those of the pool processes.
    statements: list[Statement]
    #: Connections that carried jobs and were made while the jobs ran.
    connections: int
    #: Statements on any other connection, such as heartbeats.
    others: list[Statement]


@pytest.fixture(scope="module")
def cost(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cost]:
    server = LocalPostgreSQL(*LOGGED)
    stacks.start(server)
    template = stacks.get("redis", "sqlite")
    stack = Stack(
        name="counted",
        broker=template.broker,
        database_url=server.create_database("counted"),
        result_url=template.result_url,
    )
    folder = tmp_path_factory.mktemp("counted")
    with Driver(stack.environment(role="driver", folder=folder)) as driver:
        driver.call("manage", "migrate", "--verbosity=0")
        project = Project(stack=stack, driver=driver, folder=folder, queue="counted")
        yield _count(project, server)
        project.close()


def _count(project: Project, server: LocalPostgreSQL) -> Cost:
    project.worker(concurrency=CONCURRENCY)
    project.enqueue_many("noop", 20)  # every pool process has its connections afterwards
    project.wait(lambda: project.states() == {"succeeded": 20})
    before = len(server.logs())
    with project.another_driver() as producer:
        words = [[project.new_tag()] for _ in range(JOBS)]
        producer.call("enqueue_many", "noop", words, queue=project.queue)
        project.wait(lambda: project.states() == {"succeeded": 20 + JOBS})
    return _read(server.logs()[before:])


def _read(log: str) -> Cost:
    found = [match.groupdict() for line in log.splitlines() if (match := _STATEMENT.match(line))]
    statements = [Statement(**one) for one in found]
    working = {
        one.backend
        for one in statements
        if {"INSERT jobman_job", "INSERT jobman_attempt"} & set(one.writes)
    }
    new = {match["backend"] for line in log.splitlines() if (match := _CONNECTION.match(line))}
    return Cost(
        statements=[one for one in statements if one.backend in working],
        connections=len(working & new),
        others=[one for one in statements if one.backend not in working],
    )


def test_a_no_op_job_costs_four_statements_at_most(cost: Cost) -> None:
    real = [one for one in cost.statements if not one.is_frame]

    assert len(real) <= 4 * JOBS
    assert Counter(write for one in real for write in one.writes) == {
        "INSERT jobman_job": JOBS,
        "UPDATE jobman_job": 2 * JOBS,  # the claim and the end
        "INSERT jobman_attempt": JOBS,
    }


def test_a_no_op_job_reads_nothing(cost: Cost) -> None:
    assert [one.sql for one in cost.statements if not one.is_frame and not one.writes] == []


def test_a_no_op_job_opens_no_connection(cost: Cost) -> None:
    # The one is the producer's: it was started for the count.
    assert cost.connections <= 1


def test_a_no_op_job_begins_two_transactions_at_most(cost: Cost) -> None:
    begun = sum(one.sql.upper().startswith("BEGIN") for one in cost.statements)

    assert begun <= 2 * JOBS


def test_the_rest_of_the_worker_does_not_grow_with_the_jobs(cost: Cost) -> None:
    elsewhere = [one.sql for one in cost.others if not one.is_frame]

    assert len(elsewhere) < JOBS, elsewhere
