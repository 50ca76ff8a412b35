"""The rules a row must keep to become a branch.

They are rules a shop would have, and the rows that break them are in the public list as it
is.  A row is judged, never repaired; only white space is tidied, when it is saved.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from example_project.shop.airports import Row

#: Codes the list makes up for airports that have none begin with an underscore.
_CODE: Final = re.compile(r"[A-Z0-9]{4}")
_UNFINISHED: Final = re.compile(r"under construction|unknown coordinates", re.IGNORECASE)


class BadRow(ValueError):
    """A row breaks at least one rule; the message lists all that it breaks."""


class Inspection:
    """Judges rows of one file.

    Args:
        rows: All rows of the file: a duplicate is one only beside the other.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._first_at: dict[tuple[str, str], str] = {}
        for row in rows:
            self._first_at.setdefault((row["lat"], row["lon"]), row["icao"])

    def judge(self, row: Row) -> None:
        """Let a good row pass.

        Raises:
            BadRow: It breaks a rule.
        """
        judge(row, self.twin(row))

    def twin(self, row: Row) -> str:
        """Return the code of an earlier row on the same spot; empty if there is none."""
        first = self._first_at[row["lat"], row["lon"]]
        return first if first != row["icao"] else ""


def judge(row: Row, twin: str = "") -> None:
    """Let a good row pass.

    Args:
        row: The row.
        twin: Code of an earlier row on the same spot, which only the whole file tells.

    Raises:
        BadRow: It breaks a rule.
    """
    same_spot = [f"stands on the same spot as {twin}"] if twin else []
    if faults := [*_faults(row), *same_spot]:
        raise BadRow("; ".join(faults))


def _faults(row: Row) -> Iterator[str]:
    if not _CODE.fullmatch(row["icao"]):
        yield f"code {row['icao']} is made up"
    if _UNFINISHED.search(row["name"]):
        yield "is not open yet"
    if not row["city"].strip() and not row["subd"].strip():
        yield "no address: neither city nor region"
    yield from _misplaced(row)
    yield from _mistimed(row)


def _misplaced(row: Row) -> Iterator[str]:
    try:
        latitude, longitude = float(row["lat"]), float(row["lon"])
        float(row["elevation"])
    except ValueError as error:
        yield f"no position: {error}"
        return
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004 - degrees
        yield f"no position on earth: {latitude}, {longitude}"


def _mistimed(row: Row) -> Iterator[str]:
    zones = time_zones().get(row["country"])
    if zones and row["tz"] not in zones:
        yield f"country {row['country']} has no time zone {row['tz']}"


@cache
def time_zones() -> dict[str, frozenset[str]]:
    """Return the time zones of each country, by the tz database's own table."""
    zones: dict[str, set[str]] = {}
    table = (files("tzdata.zoneinfo") / "zone.tab").read_text("utf-8")
    for line in table.splitlines():
        if not line.startswith("#"):
            country, _position, zone, *_ = line.split("\t")
            zones.setdefault(country, set()).add(zone)
    return {country: frozenset(names) for country, names in zones.items()}
