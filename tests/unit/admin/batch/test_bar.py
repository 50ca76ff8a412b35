from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.admin.batch.bar import Counts, counted, segments, svg, told
from celery_jobman.states import State

COUNTS = st.builds(Counts, *[st.integers(0, 10**7)] * 5)


@given(COUNTS)
def test_the_segments_fill_the_bar_without_a_gap(counts: Counts) -> None:
    found = segments(counts)

    ends = [part.begin + part.share for part in found]
    assert [part.begin for part in found] == pytest.approx([0.0, *ends][: len(found)])
    assert ends[-1:] == pytest.approx([1.0] * bool(found))
    assert [part.name for part in found] == [name for name, n in counts._asdict().items() if n]


def test_one_of_a_million_is_seen() -> None:
    (_ok, failed) = segments(Counts(succeeded=1_000_000, failed=1))

    assert failed.share > 0.005


def test_the_bar_says_its_numbers() -> None:
    assert told(Counts(9_874, 31, 0, 0, 95)) == "9,874 succeeded, 31 failed, 95 pending"
    assert told(Counts()) == "no members"
    assert 'aria-label="1 cancelled, 2 skipped"' in svg(Counts(0, 0, 1, 2), "x")


def test_states_are_counted_as_a_batch_counts_them() -> None:
    assert counted(State) == Counts(1, 1, 1, 1, pending=4)


def test_failures_are_told_by_a_pattern_too() -> None:
    drawn = svg(Counts(failed=1), "7f")

    assert 'id="jm-hatch-7f"' in drawn
    assert 'fill="url(#jm-hatch-7f)"' in drawn
    assert "style=" not in drawn
