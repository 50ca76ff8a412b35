"""The world of one run: its servers, and the processes that are measured in it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from tests.benchmarks.contestants import JOBMAN, RESULTS, Contestant
from tests.benchmarks.databases import database
from tests.benchmarks.servers import redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY: Final = Path(__file__).parents[2]
APP: Final = "tests.benchmarks.project.app"
STOP_TIMEOUT: Final = 60.0


class BenchmarkBroken(RuntimeError):
    """What was to be measured did not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Servers of the run, and the size of what is measured in it."""

    broker: str
    database: str
    folder: Path
    rounds: int
    scale: float

    @property
    def clock(self) -> Path:
        """The file to which every no-op job appends the time."""
        return self.folder / "clock"

    def count(self, usual: int) -> int:
        """Return ``usual`` as the run's scale has it, at least 10."""
        return max(10, round(usual * self.scale))

    def environment(self, contestant: Contestant) -> dict[str, str]:
        """Return the environment of the contestant's processes."""
        return dict(os.environ) | {
            "BENCH_BROKER": self.broker,
            "BENCH_CLOCK": str(self.clock),
            "BENCH_CONTESTANT": contestant.key,
            "BENCH_DATABASE": self.database,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.project.settings",
            "PYTHONPATH": str(REPOSITORY),
        }

    def python(self, contestant: Contestant, module: str, *arguments: str) -> str:
        """Run a module to its end in the contestant's environment; return what it printed."""
        command = [sys.executable, "-m", module, *arguments]
        environment = self.environment(contestant)
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode()

    @contextlib.contextmanager
    def worker(self, contestant: Contestant, *, concurrency: int = 2) -> Iterator[None]:
        """Run a prefork worker while the block runs; its output goes to a file."""
        options = ["-P", "prefork", "-c", str(concurrency), "--without-gossip", "--without-mingle"]
        command = [sys.executable, "-m", "celery", "-A", APP, "worker", *options]
        log = self.folder / f"worker-{contestant.key}.log"
        environment = self.environment(contestant)
        with (
            log.open("a") as output,
            subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process,
        ):
            try:
                yield
            finally:
                _stop(process)

    @contextlib.contextmanager
    def producer(self, contestant: Contestant) -> Iterator[Producer]:
        """Run a process that enqueues no-op jobs on demand while the block runs."""
        command = [sys.executable, "-m", "tests.benchmarks.project.producer"]
        with subprocess.Popen(
            command,
            env=self.environment(contestant),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield Producer(process)
            cast("IO[str]", process.stdin).close()


@dataclass(frozen=True, slots=True)
class Producer:
    """A process that calls ``noop.delay()``."""

    process: subprocess.Popen[str]

    def delay(self, times: int) -> list[float]:
        """Enqueue ``times`` jobs; return how many seconds each call took."""
        stdin, stdout = self.process.stdin, self.process.stdout
        cast("IO[str]", stdin).write(f"{times}\n")
        cast("IO[str]", stdin).flush()
        answer = cast("IO[str]", stdout).readline()
        if not answer:
            raise BenchmarkBroken("the producer died")
        return cast("list[float]", json.loads(answer))


@contextlib.contextmanager
def world(choice: str, *, rounds: int, scale: float) -> Iterator[World]:
    """Start the servers of a run and create its tables.

    Args:
        choice: Database, see :func:`tests.benchmarks.databases.database`.
        rounds: How often each contestant is measured.
        scale: Factor on the number of jobs, calls and lines in a round.
    """
    with contextlib.ExitStack() as stack:
        made = World(
            broker=stack.enter_context(redis_server()),
            database=stack.enter_context(database(choice)),
            folder=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))),
            rounds=rounds,
            scale=scale,
        )
        for contestant in (RESULTS, JOBMAN):
            made.python(contestant, "django", "migrate", "--verbosity=0")
        yield made


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise BenchmarkBroken("the worker did not stop") from None
