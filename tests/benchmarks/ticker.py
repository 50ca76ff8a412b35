"""The progress line of a run."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Final

WIDTH: Final = 24


@dataclass(slots=True, kw_only=True)
class Ticker:
    """Shows on standard error how far the run is and what it does now."""

    total: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def tick(self, now: str) -> None:
        """Show that ``now`` begins; everything before it is done."""
        bar = ("#" * (WIDTH * self.done // max(1, self.total))).ljust(WIDTH, ".")
        seconds = time.monotonic() - self.started
        self._show(f"[{bar}] {self.done}/{self.total} {seconds:4.0f} s  {now}")
        self.done += 1

    def finish(self) -> None:
        """Show that nothing is left to do."""
        self.done = self.total
        self.tick("done")
        sys.stderr.write("\n")

    def _show(self, text: str) -> None:
        live = sys.stderr.isatty()
        sys.stderr.write(f"\r\x1b[K{text}" if live else f"{text}\n")
        sys.stderr.flush()
