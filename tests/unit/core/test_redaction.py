from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.conf import Settings
from celery_jobman.core.redaction import MASK, editable, preview, redacted, unmasked
from celery_jobman.exceptions import MaskMoved

if TYPE_CHECKING:
    from pytest_django import Settings as Project

SECRET = "hunter2"
DEFAULTS = Settings().redact


@pytest.mark.parametrize("key", ["password", "API_KEY", "authToken", "X-Session-Id", "passphrase"])
def test_a_value_under_a_secret_looking_key_is_masked(key: str) -> None:
    assert redacted({key: SECRET, "user": "ana"}) == {key: MASK, "user": "ana"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"user": {"password": SECRET}}, {"user": {"password": MASK}}),
        ([{"token": SECRET}], [{"token": MASK}]),
        (({"token": SECRET}, 1), [{"token": MASK}, 1]),
        ({"credentials": [{"secret": [SECRET]}]}, {"credentials": [{"secret": MASK}]}),
        ({1: "a", None: "b"}, {1: "a", None: "b"}),
        (SECRET, SECRET),
    ],
)
def test_secrets_are_masked_at_any_depth(value: Any, expected: Any) -> None:
    assert redacted(value) == expected


def test_a_project_chooses_its_own_patterns(settings: Project) -> None:
    settings.JOBMAN = {"REDACT": ["iban"]}

    assert redacted({"IBAN": SECRET, "token": "7"}) == {"IBAN": MASK, "token": "7"}


def test_patterns_are_found_in_whatever_case_they_are_given(settings: Project) -> None:
    settings.JOBMAN = {"REDACT": ["IBAN"]}

    assert redacted({"iban": SECRET}) == {"iban": MASK}


def test_the_value_itself_is_not_changed() -> None:
    value = {"token": SECRET, "rows": [{"token": SECRET}]}

    redacted(value)

    assert value == {"token": SECRET, "rows": [{"token": SECRET}]}


def test_a_preview_is_one_short_line() -> None:
    assert preview(["a.csv", 3], {"limit": None}) == '"a.csv", 3, limit=null'


@pytest.mark.parametrize("kind", ["datetime", "decimal", "uuid"])
def test_a_preview_shows_celerys_types_by_their_value(kind: str) -> None:
    typed = {"__type__": kind, "__value__": "2030-01-01"}

    assert preview([typed], {"at": [typed]}) == '"2030-01-01", at=["2030-01-01"]'


def test_a_secret_of_a_type_of_celerys_is_masked() -> None:
    typed = {"__type__": "uuid", "__value__": SECRET}

    assert SECRET not in preview([], {"token": typed})


def test_a_preview_masks_secrets() -> None:
    line = preview([{"password": SECRET}], {"token": SECRET, "limit": 3})

    assert line == f'{{"password": "{MASK}"}}, token="{MASK}", limit=3'


def test_a_preview_is_cut_where_its_column_ends() -> None:
    line = preview(["x" * 150, "y" * 150], {})

    assert len(line) == 200
    assert line.endswith("y…")


def test_a_preview_shows_letters_as_they_are() -> None:
    assert preview(["Grüße"], {}) == '"Grüße"'


KEYS = st.text(max_size=5) | st.sampled_from(["password", "token", "API_KEY", "rows"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


def secrets_of(value: Any) -> list[Any]:
    """Return every value under a secret-looking key, found in another way."""
    if isinstance(value, list):
        return [secret for item in value for secret in secrets_of(item)]
    if not isinstance(value, dict):
        return []
    here = [v for k, v in value.items() if any(word in k.lower() for word in DEFAULTS)]
    return [*here, *secrets_of(list(value.values()))]


@given(VALUES)
def test_no_secret_is_left_and_all_else_is(value: Any) -> None:
    copy = redacted(value, DEFAULTS)

    assert all(secret == MASK for secret in secrets_of(copy))
    if not secrets_of(value):
        assert copy == value


@given(VALUES)
def test_masking_twice_changes_nothing_more(value: Any) -> None:
    once = redacted(value, DEFAULTS)

    assert redacted(once, DEFAULTS) == once


@given(st.lists(VALUES, max_size=3), st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
def test_every_preview_fits_its_column_and_every_database(
    args: list[Any], kwargs: dict[str, Any]
) -> None:
    line = preview(args, kwargs)

    assert len(line) <= 200
    assert "\x00" not in line
    assert json.dumps(line, ensure_ascii=False).encode("utf-8")


STORED = {
    "limit": 3,
    "card": {"number": "4711", "token": "hush"},
    "rows": [{"id": 1, "token": "a"}, {"id": 2, "token": "b"}],
    "due": {"__type__": "date", "__value__": "2026-01-31"},
}


def test_what_is_not_touched_keeps_what_is_stored() -> None:
    assert unmasked(editable(STORED), STORED) == STORED


def test_an_editable_copy_shows_no_secret() -> None:
    shown = json.dumps(editable(STORED))

    assert "hush" not in shown
    assert '"b"' not in shown
    assert "__type__" in shown


def test_what_is_edited_is_new() -> None:
    edited = editable(STORED)
    edited["limit"], edited["card"]["token"] = 4, "new"

    found = unmasked(edited, STORED)

    assert found == {**STORED, "limit": 4, "card": {"number": "4711", "token": "new"}}


def test_an_items_own_mask_outlives_an_edit_beside_it() -> None:
    edited = editable(STORED)
    edited["rows"][1]["id"] = 5

    assert unmasked(edited, STORED)["rows"][1] == {"id": 5, "token": "b"}


def test_items_before_a_new_last_one_keep_their_secrets() -> None:
    edited = editable(STORED)
    edited["rows"].append({"id": 3, "token": "c"})

    assert [row["token"] for row in unmasked(edited, STORED)["rows"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("edited", "path"),
    [
        ({"limit": MASK}, "limit"),
        ({"new": {"token": MASK}}, "new.token"),
        ({"card": {"number": MASK}}, "card.number"),
        ({"card": [MASK]}, "card[0]"),
        ({"token": MASK}, "token"),
        ({"rows": [{"id": 2, "token": MASK}]}, "rows[0].token"),
        ({"rows": [{"id": 2, "token": MASK}, {"id": 1, "token": MASK}]}, "rows[0].token"),
        (MASK, ""),
    ],
)
def test_a_mask_that_was_moved_names_its_place(edited: Any, path: str) -> None:
    with pytest.raises(MaskMoved) as caught:
        unmasked(edited, STORED)

    assert caught.value.path == path


def test_a_stored_value_that_looks_like_a_mask_is_itself() -> None:
    assert unmasked({"limit": MASK}, {"limit": MASK}) == {"limit": MASK}


def test_what_celery_wraps_is_masked_inside() -> None:
    wrapped = {"__type__": "custom", "__value__": {"token": "t0p", "day": 1}}

    assert redacted([wrapped], ("token",)) == [{"token": MASK, "day": 1}]
