"""What it costs that many workers finish members of the same batch at the same time.

Four pool processes run no-op jobs: members of one batch, of four batches, or of none.  All end
in rows; those of a batch add to its counts as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import redis

from tests.benchmarks.consume import rate, wait
from tests.benchmarks.contestants import JOBMAN
from tests.benchmarks.measurement import Measurement, Ratio

if TYPE_CHECKING:
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import World

JOBS: Final = 4000
NONE, ONE, FOUR = "no batch", "one batch", "four batches"
SHAPES: Final = {NONE: 0, ONE: 1, FOUR: 4}
RATIOS: Final = (
    Ratio(subject=ONE, against=FOUR, goal=">= 0.9"),
    Ratio(subject=FOUR, against=NONE),
)


def ticks(world: World) -> int:
    return world.rounds * len(SHAPES)


def run(world: World, ticker: Ticker) -> list[Measurement]:
    rates: dict[str, list[float]] = {title: [] for title in SHAPES}
    for number in range(world.rounds):
        for title in list(SHAPES)[:: 1 if number % 2 else -1]:
            ticker.tick(f"tally: {title}")
            rates[title].append(_rate(world, SHAPES[title]))
    return [Measurement(title="members finished", unit="jobs/s", values=rates, ratios=RATIOS)]


def _rate(world: World, batches: int) -> float:
    redis.Redis.from_url(world.broker).flushall()
    world.clock.write_bytes(b"")
    jobs = world.count(JOBS)
    world.python(JOBMAN, "tests.benchmarks.project.spread", str(jobs), str(batches))
    with world.worker(JOBMAN, concurrency=4):
        wait(world, jobs)
    return rate(world)
