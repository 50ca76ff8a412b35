"""How long it takes to cancel a large batch, and to skip what waits behind a job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.benchmarks.contestants import JOBMAN_REDIS
from tests.benchmarks.measurement import Measurement

if TYPE_CHECKING:
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import World

MEMBERS: Final = 20_000
LINKS: Final = 2000
RETURNED, ENDED, CHAIN = "cancel() returned", "every member ended", "links skipped"


def ticks(world: World) -> int:
    return world.rounds


def run(world: World, ticker: Ticker) -> list[Measurement]:
    members, links = world.count(MEMBERS), world.count(LINKS)
    batch: dict[str, list[float]] = {RETURNED: [], ENDED: []}
    chain: dict[str, list[float]] = {CHAIN: []}
    with world.worker(JOBMAN_REDIS):
        for _ in range(world.rounds):
            ticker.tick("cancel")
            sizes = (str(members), str(links))
            found = json.loads(world.python(JOBMAN_REDIS, "tests.benchmarks.project.stop", *sizes))
            batch[RETURNED].append(found["returned"])
            batch[ENDED].append(found["ended"])
            chain[CHAIN].append(found["chain"])
    title = f"batch of {members:,} cancelled, with Redis results"
    behind = f"job cancelled before {links:,} links"
    return [
        Measurement(title=title, unit="s", values=batch),
        Measurement(title=behind, unit="s", values=chain),
    ]
