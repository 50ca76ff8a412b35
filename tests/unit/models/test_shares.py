"""How many members of a batch may fail."""

from __future__ import annotations

import pytest

from celery_jobman.models import Batch
from celery_jobman.models.shares import is_share


@pytest.mark.parametrize(
    ("allowed", "total", "number"),
    [
        ("64.1%", 1000, 641),
        ("0.7%", 1000, 7),
        ("1.1%", 1000, 11),
        ("33.333333333%", 3, 0),
        ("5%", 19, 0),
        ("100%", 7, 7),
        ("0%", 7, 0),
        ("all", 7, 7),
        ("3", 7, 3),
        ("", 7, 0),
    ],
)
def test_a_share_is_counted_exactly_and_rounded_down(allowed: str, total: int, number: int) -> None:
    assert Batch(allow_failures=allowed, total=total).allowed == number


@pytest.mark.parametrize(
    "text",
    ["\u00b2%", "\u0665%", "5,5%", "5 %", " 5%", "-5%", "+5%", "1e2%", "101%", "100.1%", ".5%",
     "5.%", "%", "5%%", "5", "nan%", "5%\n", "1.0000000001%"],
)  # fmt: skip
def test_what_is_no_share_is_known_and_allows_none_where_it_is_stored(text: str) -> None:
    is_number = text == "5"

    assert not is_share(text)
    assert Batch(allow_failures=text, total=1000).allowed == (5 if is_number else 0)


@pytest.mark.parametrize("text", ["\u00b2", "\u0665", "-1", "some", "1e3", "9" * 16])
def test_a_number_that_cannot_be_read_allows_none(text: str) -> None:
    assert Batch(allow_failures=text, total=1000).allowed == 0
