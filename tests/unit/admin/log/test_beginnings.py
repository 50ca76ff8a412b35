from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.admin.log.beginnings import beginning

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('[1, 2, {"a": 3, "b": 4', [1, 2, {"a": 3}]),
        ('{"a": {"token": "hus', {"a": {"token": "hus"}}),
        ('{"a": 1, "tok', {"a": 1}),
        ('{"a": 1, "token"', {"a": 1}),
        ('{"a": 1, "token": tr', {"a": 1}),
        ('["say \\\\"hello\\\\", ', ['say "hello", ']),
        ('["half \\\\u00', ["half "]),
        ('["half \\\\', ["half "]),
        ("[[[", [[[]]]),
        ('[",", "]"', [","]),
    ],
)
def test_the_beginning_is_json_by_itself(text: str, value: Any) -> None:
    assert json.loads(beginning(text.replace("\\\\", "\\"))) == value


@given(st.lists(VALUES) | st.dictionaries(st.text(), VALUES), st.integers(1, 200), st.booleans())
def test_wherever_it_is_cut_keys_lead_to_the_same_places(
    whole: Any,
    length: int,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    text = json.dumps(whole, ensure_ascii=ascii_only)

    part = json.loads(beginning(text[:length]))

    assert _is_part(part, json.loads(text))


def _is_part(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(key in whole and _is_part(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return len(part) <= len(whole) and all(map(_is_part, part, whole))
    if isinstance(part, str):  # it may end within a pair of surrogates
        return bool(whole.startswith(part.rstrip("".join(map(chr, range(0xD800, 0xDC00))))))
    return bool(part == whole)


@pytest.mark.parametrize("text", ["", "no json", "]]]", "}", '"'])
def test_what_is_no_json_stays_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        json.loads(beginning(text))
