"""The coverage page holds every demand by its number, and names only tests that exist."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, exists, named_tests, rows

PAGE = DOCS / "coverage.md"
CHAPTERS = {0: 13, 1: 81, 2: 21, 3: 52, 4: 23}
STATES = {"served", "Celery", "recipe", "n/a", "open"}

TABLE = [row for row in rows(PAGE) if re.fullmatch(r"\d\.\d+", row[0])]
SERVED = [row for row in TABLE if row[2] == "served"]
RECIPES = [row for row in TABLE if row[2] == "recipe"]


def test_every_number_is_there_once_and_in_order() -> None:
    expected = [f"{part}.{item + 1}" for part, last in CHAPTERS.items() for item in range(last)]

    assert [row[0] for row in TABLE] == expected


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_a_demand_has_a_state_and_says_why(row: list[str]) -> None:
    _, demand, state, where = row

    assert state in STATES
    assert demand
    assert where


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row[0])
def test_what_is_served_names_a_test(row: list[str]) -> None:
    assert named_tests(row[3])


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_every_test_that_is_named_exists(row: list[str]) -> None:
    assert [name for name in named_tests(row[3]) if not exists(name)] == []


@pytest.mark.parametrize("row", RECIPES, ids=lambda row: row[0])
def test_a_recipe_has_a_place_in_the_docs(row: list[str]) -> None:
    pages = re.findall(r"\]\(([\w/.-]+\.md)(?:#[\w-]+)?\)", row[3])

    assert pages
    assert [page for page in pages if not (DOCS / page).exists()] == []


def test_the_counts_are_those_of_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    counted = {state: sum(row[2] == state for row in TABLE) for state in STATES}

    assert {state for state in STATES if f"{counted[state]} {state}" not in text} == set()
