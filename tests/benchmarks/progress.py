"""What a call of ``progress()`` costs, against a call of an empty function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmarks.inner import ask
from tests.benchmarks.measurement import Measurement, Ratio

if TYPE_CHECKING:
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import World

CALLS: Final = 200_000
PROGRESS: Final = "progress()"
EMPTY: Final = "an empty function"
RATIOS: Final = (Ratio(subject=PROGRESS, against=EMPTY, goal="<= 1", difference=True),)


def ticks(world: World) -> int:  # noqa: ARG001
    return 1


def run(world: World, ticker: Ticker) -> list[Measurement]:
    ticker.tick("progress()")
    answer = ask(world, "progress", world.rounds, world.count(CALLS))
    names = {EMPTY: "empty", PROGRESS: "progress"}
    values = {title: [1e6 * each for each in answer[key]] for title, key in names.items()}
    return [Measurement(title="one progress call", unit="µs", values=values, ratios=RATIOS)]
