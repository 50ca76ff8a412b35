"""Lets a job measure itself, and brings its answer out."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, cast

from tests.benchmarks.contestants import JOBMAN
from tests.benchmarks.world import BenchmarkBroken

if TYPE_CHECKING:
    from tests.benchmarks.world import World

PATIENCE: Final = 120.0


def ask(world: World, name: str, *numbers: int) -> dict[str, Any]:
    """Run one job of :mod:`tests.benchmarks.project.inside` in a worker; return its answer."""
    path = world.folder / f"answer-{name}"
    arguments = [name, *map(str, numbers), str(path)]
    world.python(JOBMAN, "tests.benchmarks.project.ask", *arguments)
    with world.worker(JOBMAN, concurrency=1):
        deadline = time.monotonic() + PATIENCE
        while not path.exists():
            time.sleep(0.05)
            if time.monotonic() > deadline:
                raise BenchmarkBroken(f"the job {name!r} did not answer:\n{_tail(world)}")
    return cast("dict[str, Any]", json.loads(path.read_text()))


def _tail(world: World) -> str:
    log = world.folder / f"worker-{JOBMAN.key}.log"
    return "\n".join(log.read_text().splitlines()[-20:])
