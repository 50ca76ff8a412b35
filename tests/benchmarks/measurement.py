"""What a benchmark returns: one value per contestant and round, and the ratios that matter.

Contestants take turns within a round, so a ratio is taken between values of the same round and
the machine's mood of the minute cancels out.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The middle of some values and how far they spread."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio to print, and the project's goal for it in words."""

    subject: str
    against: str
    goal: str = ""
    #: ``difference`` prints subject minus against instead, in the unit of the measurement.
    difference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The values of one benchmark by contestant, in the order of the rounds."""

    title: str
    unit: str
    values: Mapping[str, Sequence[float]]
    ratios: tuple[Ratio, ...] = ()

    def ratio(self, ratio: Ratio) -> Summary:
        """Return what ``ratio`` was in the rounds."""
        pairs = zip(self.values[ratio.subject], self.values[ratio.against], strict=True)
        if ratio.difference:
            return summary([subject - against for subject, against in pairs])
        return summary([subject / against for subject, against in pairs])


def summary(values: Sequence[float]) -> Summary:
    """Return the median, the least and the greatest of ``values``."""
    return Summary(median=median(values), least=min(values), most=max(values))
