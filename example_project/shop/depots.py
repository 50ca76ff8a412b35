"""Depots: a branch is supplied from the nearest one.

There is a depot at every airport of the cities that have several, such as London and Tokyo.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from io import StringIO
from math import asin, cos, radians, sin, sqrt
from typing import Final, NamedTuple

#: Mean radius in kilometres.
_EARTH: Final = 6371.0


class Depot(NamedTuple):
    """A depot and its position, in radians."""

    code: str
    latitude: float
    longitude: float


def nearest(latitude: float, longitude: float) -> tuple[str, int]:
    """Return the code of the depot nearest to a position in degrees, and the way in km."""
    here, there = radians(latitude), radians(longitude)
    way, code = min((_way(here, there, depot), depot.code) for depot in depots())
    return code, round(way)


@cache
def depots() -> tuple[Depot, ...]:
    """Return all depots."""
    wanted = {row["Airport Code"] for row in _table("iata_macs.csv")}
    return tuple(
        Depot(row["iata"], radians(float(row["lat"])), radians(float(row["lon"])))
        for row in _table("airports.csv")
        if row["iata"] in wanted
    )


def _way(latitude: float, longitude: float, depot: Depot) -> float:
    """Return the great-circle distance in kilometres, by the haversine formula."""
    half = (
        sin((depot.latitude - latitude) / 2) ** 2
        + cos(latitude) * cos(depot.latitude) * sin((depot.longitude - longitude) / 2) ** 2
    )
    return 2 * _EARTH * asin(min(1.0, sqrt(half)))


def _table(name: str) -> list[dict[str, str]]:
    text = (files("airportsdata") / name).read_text("utf-8")
    return list(csv.DictReader(StringIO(text, newline="")))
