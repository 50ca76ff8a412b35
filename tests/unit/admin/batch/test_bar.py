from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.admin.batch.bar import Counts, counted, segments, svg, told
from celery_jobman.states import State

COUNTS = st.builds(Counts, *[st.integers(0, 10**7)] * 7)


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
    assert told(Counts(9_874, 31, pending=95)) == "9,874 succeeded, 31 failed, 95 pending"
    assert told(Counts()) == "no members"
    assert 'aria-label="1 cancelled, 2 skipped"' in svg(Counts(0, 0, 1, 2), "x")


def test_states_are_counted_as_a_batch_counts_them() -> None:
    assert counted(State) == Counts(1, 1, 1, 1, running=1, waiting=3)


@pytest.mark.parametrize(("running", "words"), [(0, "95 waiting"), (2, "2 running, 93 waiting")])
def test_those_that_run_are_told_from_those_that_wait(running: int, words: str) -> None:
    assert told(Counts(1, pending=95).of_which_run(running)) == f"1 succeeded, {words}"


def test_no_more_run_than_the_batch_says_are_pending() -> None:
    assert Counts(pending=2).of_which_run(3) == Counts(running=2)


def test_what_runs_is_drawn_half_as_high() -> None:
    assert 'class="jm-seg-running" x="0.00%" width="100.00%" y="25%"' in svg(Counts(running=1), 1)


def test_failures_are_told_by_a_pattern_too() -> None:
    drawn = svg(Counts(failed=1), "7f")

    assert 'id="jm-hatch-7f"' in drawn
    assert 'fill="url(#jm-hatch-7f)"' in drawn
    assert "style=" not in drawn
