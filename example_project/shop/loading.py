"""Loading: rows become branches, a pack in one statement."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from example_project.shop.depots import nearest
from example_project.shop.models import Branch

if TYPE_CHECKING:
    from uuid import UUID

    from example_project.shop.airports import Row
    from example_project.shop.packs import Pack

logger = logging.getLogger(__name__)

#: All of a branch but what it is known by.
_UPDATED: Final = [
    *("iata", "name", "city", "region", "country", "latitude", "longitude", "elevation"),
    *("time_zone", "depot", "depot_km", "job_id"),
]


def save(pack: Pack, *, job_id: UUID) -> None:
    """Write a pack.

    Idempotent: a branch that is there already is written over.  It must be, because a worker
    that is killed after a save and before the cursor's leaves the pack to be saved again.
    """
    Branch.objects.bulk_create(
        [_branch(row, job_id) for row in pack.rows],
        update_conflicts=True,
        update_fields=_UPDATED,
        unique_fields=["code"] if connection.features.supports_update_conflicts_with_target else [],
    )
    saved = pack.number, pack.first, pack.last, len(pack.rows)
    logger.info("Saved pack=%s rows=%s-%s branches=%s", *saved)


def save_row(row: Row, *, job_id: UUID) -> str:
    """Write one row; return ``"created"``, or ``"updated"`` if the branch was there."""
    values = _values(row, job_id)
    _, is_new = Branch.objects.update_or_create(code=row["icao"], defaults=values)
    return "created" if is_new else "updated"


def _branch(row: Row, job_id: UUID) -> Branch:
    return Branch(code=row["icao"], **_values(row, job_id))


def _values(row: Row, job_id: UUID) -> dict[str, Any]:
    latitude, longitude = float(row["lat"]), float(row["lon"])
    depot, kilometres = nearest(latitude, longitude)
    return {
        "iata": row["iata"],
        "name": _tidy(row["name"]),
        "city": _tidy(row["city"]),
        "region": _tidy(row["subd"]),
        "country": row["country"],
        "latitude": latitude,
        "longitude": longitude,
        "elevation": float(row["elevation"]),
        "time_zone": row["tz"],
        "depot": depot,
        "depot_km": kilometres,
        "job_id": job_id,
    }


def _tidy(text: str) -> str:
    return " ".join(text.split())
