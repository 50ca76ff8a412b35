"""How long ``delay()`` takes.

Two processes, one for each contestant, enqueue a block of jobs in turn.  Nobody consumes.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from tests.benchmarks.contestants import JOBMAN, PLAIN
from tests.benchmarks.measurement import Measurement, Ratio

if TYPE_CHECKING:
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import Producer, World

#: Calls in one block; a round is one block of each contestant, and there are many rounds.
CALLS: Final = 100
ROUNDS_EACH: Final = 4
WARM_UP: Final = 20
RATIOS: Final = (Ratio(subject=JOBMAN.title, against=PLAIN.title, goal="<= 1.6"),)


def ticks(world: World) -> int:
    return world.rounds


def run(world: World, ticker: Ticker) -> list[Measurement]:
    with world.producer(PLAIN) as plain, world.producer(JOBMAN) as jobman:
        producers = {PLAIN.title: plain, JOBMAN.title: jobman}
        for producer in producers.values():
            producer.delay(WARM_UP)
        values: dict[str, list[float]] = {title: [] for title in producers}
        for _ in range(world.rounds):
            ticker.tick("delay()")
            _round(producers, values, world.count(CALLS))
    return [Measurement(title="delay()", unit="ms", values=values, ratios=RATIOS)]


def _round(producers: dict[str, Producer], values: dict[str, list[float]], calls: int) -> None:
    for _ in range(ROUNDS_EACH):
        for title, producer in producers.items():
            values[title].append(1000 * median(producer.delay(calls)))
