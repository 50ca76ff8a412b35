"""What a step's checkpoint costs, against one raw upsert with commit on the same connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmarks.inner import ask
from tests.benchmarks.measurement import Measurement, Ratio

if TYPE_CHECKING:
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import World

STEPS: Final = 200
RATIOS: Final = (Ratio(subject="step()", against="raw upsert", goal="<= 1.5"),)


def ticks(world: World) -> int:  # noqa: ARG001
    return 1


def run(world: World, ticker: Ticker) -> list[Measurement]:
    ticker.tick("step checkpoint")
    answer = ask(world, "checkpoint", world.rounds, world.count(STEPS))
    names = {"raw upsert": "raw", "step()": "step"}
    values = {title: [1000 * each for each in answer[key]] for title, key in names.items()}
    return [Measurement(title="step checkpoint", unit="ms", values=values, ratios=RATIOS)]
