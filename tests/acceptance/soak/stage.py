"""The stage of a soak: servers of its own, and a worker in each place."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.testing.localnodes import wait_until
from tests.acceptance.drivers import Driver, ProjectError
from tests.acceptance.projects import Project
from tests.acceptance.soak.plan import FELL, PLACES

if TYPE_CHECKING:
    from pathlib import Path

    from celery_jobman.testing.localnodes import LocalContainer
    from tests.acceptance.projects import ProjectWorker
    from tests.acceptance.soak.plan import Pace
    from tests.acceptance.stacks import Stack, Stacks

QUEUE: Final = "soak"
#: Seconds that a worker gets to end after SIGTERM before that is a complaint.
PATIENCE: Final = 60
#: Celery lowers the prefetch count when a connection was lost, and raises it again from the
#: threads of its pool: two of them then read RabbitMQ's answer from one socket, and wait for
#: ever.
CELERY: Final = {"CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """A strike that has fallen."""

    fault: str
    #: When it fell and when it was over, by the clock (seconds since the epoch).
    at: float
    until: float
    #: The worker that it struck, by its host name.
    hostname: str = ""
    #: The process, if it struck but one.
    pid: int | None = None
    #: The attempts that were running there: id of the job, and number.
    held: tuple[tuple[str, int], ...] = ()


@dataclass(kw_only=True)
class Stage:
    """Servers, workers, and what has struck them."""

    project: Project
    database: LocalContainer
    pace: Pace
    blows: list[Blow] = field(default_factory=list)
    #: The workers in their places.
    workers: list[ProjectWorker] = field(default_factory=list)
    #: Those that were asked to leave, and when.
    leaving: list[tuple[ProjectWorker, float]] = field(default_factory=list)
    #: Seconds that each took to leave.
    left: list[float] = field(default_factory=list)
    #: What must not have happened; a sentence each.
    complaints: list[str] = field(default_factory=list)
    #: The last words of workers that ended by themselves.
    fallen: Counter[str] = field(default_factory=Counter)

    @classmethod
    def build(cls, stacks: Stacks, broker: str, database: str, folder: Path, pace: Pace) -> Stage:
        """Start the servers and the workers."""
        stack = stacks.fresh(broker, database)
        driver = _driver(stack, folder, pace, "driver")
        project = Project(stack=stack, driver=driver, folder=folder, queue=QUEUE)
        stage = cls(project=project, database=stacks.server(database), pace=pace)
        stage.workers = [stage._begin(number) for number in range(len(PLACES))]
        for worker in stage.workers:
            worker.ready()
        return stage

    def another_driver(self, role: str) -> Driver:
        """Return a further process of the project."""
        return _driver(self.project.stack, self.project.folder, self.pace, role)

    def ready(self, place: int) -> ProjectWorker:
        """Return the worker in a place, once it works."""
        worker = self.workers[place]
        wait_until(lambda: worker.answers() or worker.status == "exited", timeout=60)
        return worker

    def replace(self, place: int) -> None:
        """Start another worker in a place, as a supervisor would."""
        self.workers[place] = self._begin(place)

    def mind(self) -> None:
        """Start workers anew that ended by themselves, and see who has left."""
        for place, worker in enumerate(self.workers):
            if worker.status == "exited":
                self._fell(worker)
                self.replace(place)
        for worker, since in list(self.leaving):
            seconds = time.monotonic() - since
            if worker.status == "exited":
                self.left.append(seconds)
            elif seconds > PATIENCE:
                self.complaints.append(f"{hostname(worker)} did not stop in {PATIENCE} s")
                ask_for_stacks(worker)
                worker.kill()
            else:
                continue
            self.leaving.remove((worker, since))

    def _fell(self, worker: ProjectWorker) -> None:
        self.fallen[_last_words(worker)] += 1
        at = worker.log_path.stat().st_mtime
        fell = Blow(fault=FELL, at=at, until=time.time(), hostname=hostname(worker))
        self.blows.append(fell)

    def held(self, worker: ProjectWorker) -> list[dict[str, Any]]:
        """Return the jobs that a worker runs."""
        try:
            found: list[dict[str, Any]] = self.project.driver.call("held", hostname(worker))
        except ProjectError:  # the database was cut or stopped a moment ago
            return []
        return found

    def close(self) -> None:
        """Kill every worker, and the driver."""
        self.project.close()
        self.project.driver.close()

    def _begin(self, place: int) -> ProjectWorker:
        chosen = PLACES[place]
        return self.project.worker(
            pool=chosen.pool,
            concurrency=chosen.concurrency,
            options=("--prefetch-multiplier", "1"),  # what waits, waits for whoever is free
            settings=self.pace.settings,
            celery=CELERY,
            wait=False,
        )


def _driver(stack: Stack, folder: Path, pace: Pace, role: str) -> Driver:
    environment = stack.environment(role=role, folder=folder, settings=pace.settings)
    with (folder / f"{role}.log").open("a") as errors:
        return Driver(environment, errors)


def ask_for_stacks(worker: ProjectWorker) -> None:
    """Let a worker write into its log what each of its threads is at (Celery's SIGUSR1)."""
    worker.kill("SIGUSR1")
    time.sleep(2)


def _last_words(worker: ProjectWorker) -> str:
    said = re.findall(r"Unrecoverable error: (.*)", worker.logs())
    return said[-1] if said else "without a word"


def hostname(worker: ProjectWorker) -> str:
    """Return the name by which a worker is known in the database."""
    return f"{worker.worker_name()}@{worker.id[:12]}"
