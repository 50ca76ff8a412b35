from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management.base import CommandError

from celery_jobman.management import arguments
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("0.5h", timedelta(minutes=30)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert arguments.duration(text) == expected


def test_plain_numbers_are_hours_or_days_where_the_option_says_so() -> None:
    assert arguments.hours("36") == timedelta(hours=36)
    assert arguments.hours("90s") == timedelta(seconds=90)
    assert arguments.days("7") == timedelta(days=7)
    assert arguments.days("12h") == timedelta(hours=12)


def test_a_moment_without_an_offset_is_in_the_projects_time_zone() -> None:
    noon = datetime(2030, 1, 31, 12, tzinfo=UTC)

    assert arguments.moment("2030-01-31 12:00") == noon
    assert arguments.moment("2030-01-31T13:00+01:00") == noon


def test_levels_have_names_and_numbers() -> None:
    assert arguments.level("warning") == 30
    assert arguments.level("25") == 25


def test_json_values() -> None:
    assert arguments.json_list('["a.csv", 3]') == ["a.csv", 3]
    assert arguments.json_object('{"limit": 3}') == {"limit": 3}


def test_a_pairs_value_is_json_or_else_a_string() -> None:
    assert arguments.pair("limit=3") == ("limit", 3)
    assert arguments.pair("limit=null") == ("limit", None)
    assert arguments.pair("source=a=b.csv") == ("source", "a=b.csv")
    assert arguments.pair("source=") == ("source", "")


def test_states_are_known() -> None:
    assert arguments.state("Failed") is State.FAILED


@pytest.mark.parametrize(
    ("kind", "text", "advice"),
    [
        (arguments.duration, "10", "write 90s, 30m, 12h, 7d or 1h30m"),
        (arguments.duration, "10x", "write 90s"),
        (arguments.duration, "-5m", "write 90s"),
        (arguments.duration, "m", "write 90s"),
        (arguments.duration, "9999999999999999d", "longer than any calendar"),
        (arguments.hours, "soon", "write 90s"),
        (arguments.moment, "tomorrow", "write '2026-01-31 12:00'"),
        (arguments.moment, "2030-13-31 12:00", "month must be in"),
        (arguments.level, "LOUD", "WARNING, ERROR, CRITICAL"),
        (arguments.count, "0", "whole number from 1"),
        (arguments.count, "many", "whole number from 1"),
        (arguments.count, "2147483648", "whole number from 1 to 2147483647"),
        (arguments.json_list, "a.csv", "write '[\"a.csv\", 3]'"),
        (arguments.json_list, "{}", "no list"),
        (arguments.json_object, "[]", "no object"),
        (arguments.pair, "limit", "write name=value"),
        (arguments.pair, "2x=3", "write name=value"),
        (arguments.state, "done", "scheduled, blocked, queued"),
    ],
)
def test_what_cannot_be_read_is_named_with_advice(
    kind: Callable[[str], Any], text: str, advice: str
) -> None:
    with pytest.raises(ArgumentTypeError) as refused:
        kind(text)

    assert repr(text) in str(refused.value) or text.startswith("99999")
    assert advice in str(refused.value)


@pytest.mark.parametrize(
    "options", [{"ids": ["good", "\udcff"]}, {"queue": "a\ud800"}], ids=["in a list", "alone"]
)
def test_a_word_that_is_no_text_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"\\ud.* cannot be read as text") as refused:
        arguments.refuse_unreadable({"json": False, "limit": 3, "reason": "grün", **options})

    assert refused.value.returncode == 2
