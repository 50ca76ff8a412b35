"""How long it takes to accept and dispatch many jobs at once: our batch against Celery's group."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.benchmarks.contestants import JOBMAN, PLAIN
from tests.benchmarks.measurement import Measurement, Ratio

if TYPE_CHECKING:
    from tests.benchmarks.contestants import Contestant
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import World

MEMBERS: Final = 10_000
#: Members of the batch whose memory is looked at; the messages of most leave from the workers.
MANY: Final = 100_000
RATIOS: Final = (Ratio(subject=JOBMAN.title, against=PLAIN.title, goal="< 1"),)
FLAT: Final = (Ratio(subject="100,000", against="10,000", goal="<= 1.5"),)


def ticks(world: World) -> int:
    return world.rounds + 1


def run(world: World, ticker: Ticker) -> list[Measurement]:
    seconds: dict[str, list[float]] = {PLAIN.title: [], JOBMAN.title: []}
    for number in range(world.rounds):
        ticker.tick("fan out")
        for contestant in (PLAIN, JOBMAN)[:: 1 if number % 2 else -1]:
            seconds[contestant.title].append(_fan(world, contestant, world.count(MEMBERS))[0])
    ticker.tick("fan out: memory")
    grown = {
        "10,000": [_fan(world, JOBMAN, world.count(MEMBERS))[1]],
        "100,000": [_fan(world, JOBMAN, world.count(MANY))[1]],
    }
    title = f"batch of {world.count(MEMBERS):,} accepted and dispatched"
    return [
        Measurement(title=title, unit="s", values=seconds, ratios=RATIOS),
        Measurement(
            title="memory that a batch takes to dispatch", unit="MB", values=grown, ratios=FLAT
        ),
    ]


def _fan(world: World, contestant: Contestant, members: int) -> tuple[float, float]:
    """Return the seconds that a fan-out took, and by how many MB its process has grown."""
    answer = world.python(contestant, "tests.benchmarks.project.fan", str(members), "1")
    found = json.loads(answer)
    return found["seconds"][0], found["grown_kb"] / 1024
