"""The project as a test uses it: enqueue, run workers, hold and kill them, look at the rows."""

from __future__ import annotations

import itertools
import json
import os
import signal
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from celery_jobman.testing.localnodes import LocalWorker, wait_until
from tests.acceptance import gates
from tests.acceptance.drivers import Driver
from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.acceptance.gates import Gate
    from tests.acceptance.stacks import Stack

_numbers = itertools.count(1)

NOTHING: Mapping[str, Any] = MappingProxyType({})
FINAL = {"succeeded", "failed", "cancelled", "skipped"}


class ProjectWorker(LocalWorker):
    """A ``celery worker`` of the project."""

    start_timeout = 40

    def kill_main(self) -> None:
        """Kill the main process and nothing else, as with ``kill -9``."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def terminate(self) -> None:
        """Ask the worker to stop, as a deploy does (SIGTERM)."""
        self.kill("SIGTERM")


@dataclass(kw_only=True)
class Project:
    """One queue of the project on one stack, with the workers that a test starts."""

    stack: Stack
    driver: Driver
    folder: Path
    queue: str
    workers: list[ProjectWorker] = field(default_factory=list)

    def new_tag(self) -> str:
        """Return a first argument for a task that no other job has."""
        return f"{self.queue}-{next(_numbers)}"

    def enqueue(self, task: str, *arguments: Any, tag: str | None = None, **options: Any) -> str:
        """Enqueue a job of ``task`` and return its id."""
        words = [tag or self.new_tag(), *arguments]
        return str(self.driver.call("enqueue", task, words, queue=self.queue, **options))

    def link(self, task: str, tag: str) -> dict[str, Any]:
        """Return a link of a chain, as Celery's messages carry it."""
        name = f"tests.acceptance.project.tasks.{task}"
        options = {"queue": self.queue}
        return {"task": name, "args": [tag], "kwargs": {}, "options": options, "immutable": True}

    def enqueue_many(self, task: str, count: int) -> list[str]:
        """Enqueue ``count`` jobs of ``task``."""
        words = [[self.new_tag()] for _ in range(count)]
        ids: list[str] = self.driver.call("enqueue_many", task, words, queue=self.queue)
        return ids

    def arm(self, tag: str, moment: str, *, after: int = 0) -> Gate:
        """Arm a gate; see :mod:`tests.acceptance.gates`."""
        return gates.arm(self.folder, tag, moment, after=after)

    def job(self, job_id: str) -> dict[str, Any]:
        row: dict[str, Any] = self.driver.call("job", job_id)
        return row

    def rows(self, door: str, job_id: str) -> list[dict[str, Any]]:
        """Return a job's ``attempts``, ``steps``, ``lines`` or ``effects``."""
        found: list[dict[str, Any]] = self.driver.call(door, job_id)
        return found

    def outcomes(self, job_id: str) -> list[str]:
        """Return how each of a job's attempts ended, in order."""
        return [attempt["outcome"] for attempt in self.rows("attempts", job_id)]

    def effects(self, job_id: str) -> list[str]:
        """Return the names of what a job's task did, in order."""
        return [effect["name"] for effect in self.rows("effects", job_id)]

    def states(self) -> dict[str, int]:
        """Count the queue's jobs by state."""
        counts: dict[str, int] = self.driver.call("states", self.queue)
        return counts

    def wait_for(self, job_id: str, *states: str, timeout: float = 30) -> dict[str, Any]:
        """Wait until a job is in one of ``states`` (by default, any final one)."""
        wanted = set(states) or FINAL
        wait_until(lambda: self.job(job_id)["state"] in wanted, timeout=timeout)
        row = self.job(job_id)
        assert row["state"] in wanted, f"{row['state']} after {timeout:g} s\n{self.report(job_id)}"
        return row

    def wait(self, question: Callable[[], bool], *, timeout: float = 30) -> None:
        """Wait until ``question`` is answered with yes."""
        assert wait_until(question, timeout=timeout), f"no after {timeout:g} s\n{self.report()}"

    def worker(  # noqa: PLR0913 - all are keywords, and have defaults
        self,
        *,
        pool: str = "prefork",
        concurrency: int = 1,
        wait: bool = True,
        options: tuple[str, ...] = (),
        settings: Mapping[str, Any] = QUICK,
        celery: Mapping[str, Any] = NOTHING,
        environment: Mapping[str, str] = NOTHING,
    ) -> ProjectWorker:
        """Start a worker of this queue; it is killed with all its processes after the test.

        ``settings`` is the project's ``JOBMAN``, for this worker; ``celery`` more of its
        settings.
        """
        number = len(self.workers) + 1
        worker = ProjectWorker(
            _command(f"{self.queue}-{number}", pool, concurrency, self.queue, options),
            env={
                **self.environment(role=f"worker {number}", settings=settings),
                "JOBMAN_ACCEPTANCE_MORE_SETTINGS": json.dumps(dict(celery)),
                **environment,
            },
        )
        self.workers.append(worker)
        worker.start()
        if wait:
            worker.ready()
        return worker

    def environment(self, *, role: str, settings: Mapping[str, Any] = QUICK) -> Mapping[str, str]:
        """Return the environment of a process of the project that tests talk to by its role."""
        return self.stack.environment(role=role, folder=self.folder, settings=settings)

    def another_driver(self, role: str = "driver") -> Driver:
        """Return a second process of the project, such as one that is to be killed."""
        return Driver(self.environment(role=role))

    def report(self, job_id: str | None = None) -> str:
        """Describe everything that may explain a failure."""
        row = self.job(job_id) if job_id else {}
        parts = [f"job: { {name: value for name, value in row.items() if value} }"]
        parts += [f"attempt: {attempt}" for attempt in self.rows("attempts", job_id or "0" * 32)]
        parts += [f"--- {worker.name} ({worker.status})\n{_end(worker)}" for worker in self.workers]
        return "\n".join(parts)

    def close(self) -> None:
        """Kill every worker."""
        for worker in self.workers:
            worker.teardown()


def _command(
    name: str, pool: str, concurrency: int, queue: str, options: tuple[str, ...]
) -> list[str]:
    size = [] if pool == "solo" else ["-c", str(concurrency)]
    quiet = ["--without-mingle", "--without-gossip", "-l", "INFO"]
    place = ["-n", f"{name}@%h", "-Q", queue, "-P", pool]
    return ["celery", "-A", "tests.acceptance.project", "worker", *place, *size, *quiet, *options]


def _end(worker: ProjectWorker) -> str:
    lines = worker.logs().splitlines()
    return "\n".join(lines[-int(os.environ.get("JOBMAN_TEST_LOG_LINES", "60")) :])
