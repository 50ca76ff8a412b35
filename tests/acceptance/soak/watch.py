"""The watch: a thread that reads memory and connections every few seconds."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import suppress
from statistics import median
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import psutil  # type: ignore[import-untyped]

from tests.acceptance.drivers import ProjectError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.soak.stage import Stage

#: Seconds between two looks, and before the first that counts.
EVERY: Final = 2.0
WARM_UP: Final = 15.0
#: What a process may have grown by after the warm-up: a part of itself, and so many bytes.
GROWTH: Final = 0.5
ROOM: Final = 24 * 2**20
#: By how many connections the end may differ from the beginning.
SPARE: Final = 8

MEGABYTE: Final = 2**20


class Watch(Thread):
    """Samples, until it is stopped."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(name="watch", daemon=True)
        self.stage = stage
        self.driver = stage.another_driver("watch")
        self.ended = Event()
        #: By process id: seconds since it was first seen, and bytes.
        self.memory: dict[int, list[tuple[float, int]]] = defaultdict(list)
        self.connections: list[int] = []
        self._first: dict[int, float] = {}

    def run(self) -> None:
        """Look again and again."""
        while not self.ended.wait(EVERY):
            for process in self._processes():
                with suppress(psutil.Error):
                    self._weigh(process.pid, process.memory_info().rss)
            with suppress(ProjectError):
                self.connections.append(self.driver.call("connections"))

    def stop(self) -> None:
        """End the thread."""
        self.ended.set()
        self.join()
        self.driver.close()

    def _processes(self) -> Iterator[psutil.Process]:
        for worker in list(self.stage.workers):
            if worker.status == "running":
                with suppress(psutil.Error):
                    main = psutil.Process(worker.process.pid)
                    yield main
                    yield from main.children()

    def _weigh(self, pid: int, size: int) -> None:
        now = time.monotonic()
        since = now - self._first.setdefault(pid, now)
        self.memory[pid].append((since, size))

    @property
    def warm(self) -> list[tuple[int, int]]:
        """Bytes of each process when it was warm, and when it was last seen."""
        lived = ([each for each in seen if each[0] >= WARM_UP] for seen in self.memory.values())
        return [(seen[0][1], seen[-1][1]) for seen in lived if len(seen) > 1]

    @property
    def usual_connections(self) -> tuple[int, int]:
        """The median of the first quarter of the time, and of the last."""
        part = max(len(self.connections) // 4, 1)
        return int(median(self.connections[:part])), int(median(self.connections[-part:]))

    def complaints(self) -> Iterator[str]:
        """Yield what grew that must not."""
        for before, after in self.warm:
            if after > before * (1 + GROWTH) + ROOM:
                grown = f"{before // MEGABYTE} MB to {after // MEGABYTE} MB"
                yield f"a process of a worker grew from {grown}"
        before, after = self.usual_connections
        if after > before + SPARE:
            yield f"the connections to the database grew from {before} to {after}"

    def lines(self) -> Iterator[str]:
        """Yield what was seen, for the report."""
        sizes = self.warm or [(0, 0)]
        before, after = (sum(column) / len(sizes) / MEGABYTE for column in zip(*sizes, strict=True))
        grown = max(after - before for before, after in sizes) / MEGABYTE
        yield (
            f"memory        {before:.0f} MB a process when warm, {after:.0f} MB at its end"
            f" ({len(self.warm)} processes; the most that one grew: {grown:.1f} MB)"
        )
        first, last = self.usual_connections
        yield f"connections   {first} at the beginning, {last} at the end"
