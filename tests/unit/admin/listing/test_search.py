from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from celery_jobman.admin.listing.search import BARE, READERS, Span, Term, parse

BATCH = UUID("01a205ff-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("   ", []),
        ("shop.send", [Term(BARE, "shop.send")]),
        ("task:shop.send queue:mails", [Term("task", "shop.send"), Term("queue", "mails")]),
        ("TASK:a", [Term("task", "a")]),
        ('queue:"two words"', [Term("queue", "two words")]),
        ('"queue:mails"', [Term(BARE, "queue:mails")]),
        ("tag:a:b", [Term("tag", "a:b")]),
        ("state:Failed", [Term("state", "failed")]),
        ("state:retrying", [Term("state", "retrying")]),
        (f"batch:{BATCH}", [Term("batch", BATCH)]),
        ("error:shop.errors.Bad", [Term("error", "shop.errors.Bad")]),
        ("before:2026-01-31", [Term("before", datetime(2026, 1, 31, tzinfo=UTC))]),
        ("after:2026-01-31T12:30", [Term("after", datetime(2026, 1, 31, 12, 30, tzinfo=UTC))]),
        ('after:"2026-01-31 12:30"', [Term("after", datetime(2026, 1, 31, 12, 30, tzinfo=UTC))]),
        ("ran:>30s", [Term("ran", Span(longer=True, duration=timedelta(seconds=30)))]),
        ("ran:<1.5h", [Term("ran", Span(longer=False, duration=timedelta(minutes=90)))]),
    ],
)
def test_a_search_is_read_term_by_term(text: str, terms: list[Term]) -> None:
    asked = parse(text)

    assert list(asked.terms) == terms
    assert asked.problems == ()


def test_an_unknown_qualifier_is_named_together_with_the_known_ones() -> None:
    (problem,) = parse("taks:shop.send").problems

    assert "taks:" in problem
    assert all(f"{name}:" in problem for name in READERS)


@pytest.mark.parametrize(
    "text",
    [
        "state:done",
        "before:yesterday",
        "after:2026-02-30",
        "after:0001-01-01T00:00+14:00",
        "ran:30s",
        "ran:>30",
        "ran:>9999999d",
        "task:",
        "batch:nightly",
        'queue:""',
    ],
)
def test_a_bad_value_is_told(text: str) -> None:
    asked = parse(text)

    assert asked.terms == ()
    assert len(asked.problems) == 1
    assert text.partition(":")[0] in asked.problems[0]


@pytest.mark.parametrize("text", ['queue:"open', "a" * 1001, "task:a\0b", "\x1b[31m"])
def test_what_cannot_be_a_search_is_told(text: str) -> None:
    asked = parse(text)

    assert asked.terms == ()
    assert len(asked.problems) == 1


def test_long_values_are_shortened_in_the_message() -> None:
    (problem,) = parse("state:" + "x" * 900).problems

    assert len(problem) < 400
