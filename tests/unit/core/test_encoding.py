from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.core.encoding import clean, encode
from celery_jobman.exceptions import UnencodableValue


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True]}, '{"a": [1, null, true]}'),
        ((1, 2), "[1, 2]"),
        (date(2030, 1, 1), '"2030-01-01"'),
        (datetime(2030, 1, 1, 12, tzinfo=UTC), '"2030-01-01T12:00:00Z"'),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ("\x00\ud800", '"\\u0000\\ud800"'),
    ],
)
def test_values_become_json(value: Any, text: str) -> None:
    assert encode(value, "it") == text


def test_what_cannot_be_json_is_named_with_its_kind() -> None:
    with pytest.raises(UnencodableValue, match="what step 'load' returned is a set and cannot"):
        encode({1, 2}, "what step 'load' returned")


def test_a_circle_cannot_be_json() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(UnencodableValue, match="Circular"):
        encode(circle, "it")


def test_short_text_is_kept_as_it_is() -> None:
    assert clean("Grüße ✓", 7) == "Grüße ✓"


def test_long_text_ends_in_an_ellipsis() -> None:
    assert clean("abcdef", 4) == "abc…"


def test_nul_is_replaced_visibly() -> None:
    assert clean("a\x00b", 10) == "a\N{REPLACEMENT CHARACTER}b"


def test_half_a_character_is_replaced() -> None:
    assert clean("a\ud800b", 10) == "a?b"


@given(st.text(st.characters(exclude_categories=[])), st.integers(1, 50))
def test_cleaned_text_fits_and_every_database_takes_it(text: str, length: int) -> None:
    cleaned = clean(text, length)

    assert len(cleaned) <= length
    assert "\x00" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned


@given(st.text(), st.integers(1, 50))
def test_cleaning_twice_changes_nothing_more(text: str, length: int) -> None:
    once = clean(text, length)

    assert clean(once, length) == once


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_json_values_read_back_as_they_were(value: Any) -> None:
    assert json.loads(encode(value, "it")) == value


def test_a_value_nested_without_end_is_refused() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(UnencodableValue, match="argument 0"):
        encode(value, "argument 0")
