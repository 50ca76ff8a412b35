"""How many no-op jobs two pool processes finish in a second.

The jobs are enqueued first, then a worker is started.  Each job appends the time to a file; the
rate is counted between the first and the last time in it, so starting and stopping the worker
cost nothing.  Afterwards the contestant's own record must hold every job.
"""

from __future__ import annotations

import array
import time
from typing import TYPE_CHECKING, Final

import redis

from tests.benchmarks.contestants import JOBMAN, PLAIN, REDIS, RESULTS, Contestant
from tests.benchmarks.measurement import Measurement, Ratio
from tests.benchmarks.world import BenchmarkBroken

if TYPE_CHECKING:
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import World

JOBS: Final = 2000
ORDER: Final = (PLAIN, REDIS, RESULTS, JOBMAN)
RATIOS: Final = (
    Ratio(subject=JOBMAN.title, against=PLAIN.title),
    Ratio(subject=JOBMAN.title, against=REDIS.title, goal=">= 0.9"),
    Ratio(subject=JOBMAN.title, against=RESULTS.title, goal=">= 5"),
)
#: Longest wait for one job more.
PATIENCE: Final = 60.0


def ticks(world: World) -> int:
    return world.rounds * len(ORDER)


def run(world: World, ticker: Ticker) -> list[Measurement]:
    rates: dict[str, list[float]] = {contestant.title: [] for contestant in ORDER}
    for number in range(world.rounds):
        for contestant in ORDER[:: 1 if number % 2 else -1]:
            ticker.tick(f"consume: {contestant.title}")
            rates[contestant.title].append(_rate(world, contestant))
    return [
        Measurement(title="no-op jobs consumed", unit="jobs/s", values=rates, ratios=RATIOS),
    ]


def _rate(world: World, contestant: Contestant) -> float:
    redis.Redis.from_url(world.broker).flushall()
    world.clock.write_bytes(b"")
    jobs = world.count(round(JOBS * contestant.share))
    before = _recorded(world, contestant)
    with world.producer(contestant) as producer:
        producer.delay(jobs)
    with world.worker(contestant):
        wait(world, jobs)
    _check_books(world, contestant, before + jobs)
    return rate(world)


def rate(world: World) -> float:
    """Return how many jobs a second were done between the first and the last."""
    moments = sorted(times(world))
    return (len(moments) - 1) / (moments[-1] - moments[0])


def wait(world: World, jobs: int) -> None:
    """Wait until so many jobs of this round are done."""
    done, deadline = 0, time.monotonic() + PATIENCE
    while done < jobs:
        time.sleep(0.1)
        if len(times(world)) > done:
            done, deadline = len(times(world)), time.monotonic() + PATIENCE
        if time.monotonic() > deadline:
            raise BenchmarkBroken(f"{done} of {jobs} jobs were done, then nothing for {PATIENCE} s")


def times(world: World) -> array.array[float]:
    """Return the times that the jobs of this round have noted."""
    content = world.clock.read_bytes()
    return array.array("d", content[: len(content) // 8 * 8])


def _recorded(world: World, contestant: Contestant) -> int:
    if contestant is PLAIN:
        return 0
    return int(world.python(contestant, "tests.benchmarks.project.books"))


def _check_books(world: World, contestant: Contestant, expected: int) -> None:
    if contestant is PLAIN:
        return
    recorded = _recorded(world, contestant)
    if recorded != expected:
        raise BenchmarkBroken(f"{contestant.title} recorded {recorded} jobs, not {expected}")
