"""Axis: which way a graph runs, from left to right or from top to bottom.

What is placed is measured along the way it runs and across it.  An axis turns such a pair into one
of the page, and back: turning twice changes nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Axis(NamedTuple):
    """One way to run."""

    is_down: bool
    #: So many single nodes stand side by side before the next go behind them.
    abreast: int

    def turned(self, one: float, other: float) -> tuple[float, float]:
        """Return (along, across) as (x, y), and (x, y) as (along, across)."""
        return (other, one) if self.is_down else (one, other)

    def stacked(self, count: int) -> tuple[int, int]:
        """Return how many ranks so many single nodes take, and how many stand in each."""
        ranks = -(-count // self.abreast)
        return ranks, -(-count // ranks)


#: From left to right, with single nodes in columns.
RIGHT: Final = Axis(is_down=False, abreast=8)
#: From top to bottom, with single nodes in rows; fewer, as a node is wider than high.
DOWN: Final = Axis(is_down=True, abreast=4)
