"""The shop's rules and files, on the real list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from example_project.shop import airports, depots, packs, rules

if TYPE_CHECKING:
    from pytest_django import Settings

JOB = UUID(int=7)

GOOD = {
    "icao": "EPXX",
    "iata": "",
    "name": "There",
    "city": "Town",
    "subd": "",
    "country": "PL",
    "lat": "53.5",
    "lon": "18.5",
    "elevation": "121",
    "tz": "Europe/Warsaw",
}


@pytest.fixture
def fetched(settings: Settings, tmp_path: Path) -> airports.Fetched:
    settings.SHOP_IMPORT_FOLDER = tmp_path / "imports"
    return airports.fetch("airports", JOB)


@pytest.fixture
def rows(fetched: airports.Fetched) -> list[airports.Row]:
    return airports.read(fetched)


def faults(rows: list[airports.Row]) -> dict[str, str]:
    inspection, found = rules.Inspection(rows), {}
    for row in rows:
        try:
            inspection.judge(row)
        except rules.BadRow as error:
            found[row["icao"]] = str(error)
    return found


def test_a_fetched_file_is_complete_and_named_after_its_job(fetched: airports.Fetched) -> None:
    path = Path(fetched["path"])

    assert path.name == f"airports-{JOB}.csv"
    assert path.stat().st_size == fetched["size"]
    assert list(path.parent.iterdir()) == [path]


def test_fetching_again_changes_nothing(fetched: airports.Fetched) -> None:
    assert airports.fetch("airports", JOB) == fetched


def test_only_known_sources_are_fetched() -> None:
    with pytest.raises(ValueError, match="no source 'harbours'; there is airports"):
        airports.fetch("harbours", JOB)


def test_a_file_that_changed_is_not_read(fetched: airports.Fetched) -> None:
    with Path(fetched["path"]).open("a", encoding="utf-8") as file:
        file.write('"XXXX"\n')

    with pytest.raises(airports.FileChanged):
        airports.read(fetched)


def test_the_list_is_long_and_can_be_read_in_part(
    fetched: airports.Fetched, rows: list[airports.Row]
) -> None:
    assert len(rows) > 25_000
    assert airports.read(fetched, limit=3) == rows[:3]


def test_the_real_list_breaks_every_rule_that_is_not_about_numbers(
    rows: list[airports.Row],
) -> None:
    found = faults(rows)
    kinds = Counter(
        kind
        for text in found.values()
        for kind in ("is made up", "not open yet", "no address", "same spot", "no time zone")
        if kind in text
    )

    assert 100 < len(found) < 500
    assert all(kinds.values()), kinds
    assert len(kinds) == 5
    assert "no position" not in "".join(found.values())


def test_all_that_is_wrong_with_a_row_is_said(rows: list[airports.Row]) -> None:
    basel = faults(rows)["_MLH"]

    assert basel == "code _MLH is made up; stands on the same spot as LFSB"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"icao": "_AAA"}, "code _AAA is made up"),
        ({"name": "Here (under construction)"}, "is not open yet"),
        ({"city": " ", "subd": ""}, "no address: neither city nor region"),
        ({"lat": "91.0"}, "no position on earth: 91.0, 18.5"),
        ({"elevation": "high"}, "no position: could not convert string to float: 'high'"),
        ({"tz": "Europe/Rome"}, "country PL has no time zone Europe/Rome"),
    ],
)
def test_each_rule(changes: dict[str, str], complaint: str) -> None:
    assert faults([GOOD]) == {}
    assert list(faults([GOOD | changes]).values()) == [complaint]


def test_countries_that_the_tz_database_does_not_know_have_any_time_zone(
    rows: list[airports.Row],
) -> None:
    kosovo = next(row for row in rows if row["country"] == "XK")

    assert faults([kosovo]) == {}


def test_the_cuts_between_packs_do_not_depend_on_what_is_bad(rows: list[airports.Row]) -> None:
    everything, fewer = packs.cut(rows, set()), packs.cut(rows, {0, 99, 100, 250})

    assert [(one.first, one.last) for one in everything] == [(one.first, one.last) for one in fewer]
    assert sum(len(one.rows) for one in everything) == len(rows)
    assert [len(one.rows) for one in fewer[:4]] == [98, 99, 99, 100]
    assert everything[-1].last == len(rows)


def test_a_branch_is_supplied_from_the_nearest_depot() -> None:
    assert depots.nearest(51.47, -0.45) == ("LHR", 1)
    zurich, kilometres = depots.nearest(47.46, 8.55)

    assert (zurich, 200 < kilometres < 220) == ("MXP", True)
    assert len(depots.depots()) > 80
