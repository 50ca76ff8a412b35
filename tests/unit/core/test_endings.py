from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.core.endings import Ending, bare, delay_of, lesser
from celery_jobman.core.faults import Fault
from celery_jobman.models import Outcome
from celery_jobman.states import State


@pytest.mark.parametrize("outcome", Outcome)
def test_only_failures_time_outs_and_losses_count(outcome: Outcome) -> None:
    counted = {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST}

    assert Ending(outcome=outcome, to=State.FAILED).counts is (outcome in counted)


REFUSAL = ValueError("too large")
REPORTED = {"progress_current": 3, "current_step": "load"}


def rungs(ending: Ending, *, is_taken: bool = False) -> list[tuple[State, dict[str, Any], str]]:
    """Return the ladder of an ending that was refused: state, columns, and what is missing."""
    tried = lesser(ending, REFUSAL, is_taken=is_taken)
    return [(less.to, less.changes, what) for less, what in tried]


def test_a_success_that_is_refused_is_one_without_progress_then_without_a_result() -> None:
    ending = Ending(
        outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3", **REPORTED}
    )

    assert rungs(ending) == [
        (State.SUCCEEDED, {"result": "3"}, "its progress"),
        (State.SUCCEEDED, {}, "its result"),
        (State.SUCCEEDED, {}, "its result, progress and error"),
    ]


def test_a_success_whose_result_others_wait_for_fails_without_it() -> None:
    ending = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})

    (_, *rest) = list(lesser(ending, REFUSAL, is_taken=True))

    assert [less.to for less, _ in rest] == [State.FAILED, State.FAILED]
    assert [less.outcome for less, _ in rest] == [Outcome.FAILED, Outcome.FAILED]
    assert rest[0][0].fault.error_message == "too large"


def test_an_attempt_whose_next_one_cannot_be_written_fails_and_keeps_how_it_ended() -> None:
    ending = Ending(outcome=Outcome.LOST, to=State.SCHEDULED, changes={"args": "[1]"})

    (_, failed, barest) = (less for less, _ in lesser(ending, REFUSAL, is_taken=False))

    assert (failed.to, failed.outcome) == (State.FAILED, Outcome.LOST)
    assert barest.to == State.FAILED


def test_a_failure_keeps_the_class_of_an_error_whose_message_is_refused() -> None:
    fault = Fault(error_class="shop.NoStock", error_message="x" * 10_000, traceback="…")
    ending = Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=fault)

    _, (less, what), _ = lesser(ending, REFUSAL, is_taken=False)

    assert (less.fault.error_class, what) == ("shop.NoStock", "its error")
    assert less.fault.error_message == "its message could not be stored: ValueError: too large"


def test_the_barest_end_of_a_cancelled_job_is_a_cancelled_one() -> None:
    ending = Ending(outcome=Outcome.CANCELLED, to=State.CANCELLED, changes=REPORTED)

    assert bare(ending, is_taken=True) == Ending(outcome=Outcome.CANCELLED, to=State.CANCELLED)


@pytest.mark.parametrize(
    ("backoff", "failures", "seconds"),
    [
        (0, 1, 0),
        (None, 1, 0),
        (30, 5, 30),
        (0.5, 1, 0.5),
        (timedelta(minutes=2), 1, 120),
        ([10, 60, 300], 1, 10),
        ([10, 60, 300], 3, 300),
        ([10, 60, 300], 4, 300),
        ((10, timedelta(minutes=1)), 2, 60),
        ([], 1, 0),
        (lambda failures: 2**failures, 3, 8),
        (lambda _: timedelta(seconds=7), 1, 7),
        (lambda _: [1, 2], 2, 2),
        ([5, lambda failures: failures * 10], 4, 40),
    ],
)
def test_a_backoff_may_be_given_in_many_ways(backoff: Any, failures: int, seconds: float) -> None:
    assert delay_of(backoff, failures) == timedelta(seconds=seconds)


SECONDS = st.integers(0, 10**6)


@given(st.lists(SECONDS, min_size=1), st.integers(1, 100))
def test_the_last_delay_of_a_list_repeats(delays: list[int], failures: int) -> None:
    expected = delays[failures - 1] if failures <= len(delays) else delays[-1]

    assert delay_of(delays, failures) == timedelta(seconds=expected)


@given(SECONDS | SECONDS.map(lambda seconds: timedelta(seconds=seconds)), st.integers(1, 100))
def test_one_delay_is_the_same_for_every_failure(backoff: int | timedelta, failures: int) -> None:
    expected = backoff if isinstance(backoff, timedelta) else timedelta(seconds=backoff)

    assert delay_of(backoff, failures) == delay_of(lambda _: backoff, failures) == expected
