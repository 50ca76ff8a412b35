from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.core.endings import (
    CLEAN,
    MESSAGE_LENGTH,
    TRACEBACK_LENGTH,
    Ending,
    Fault,
    delay_of,
)
from celery_jobman.models import Outcome
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def here(error: Exception) -> None:
    raise error


def elsewhere(error: Exception) -> None:
    raise error


def caught(error: Exception, place: Callable[[Exception], None] = here) -> Exception:
    """Raise and catch an error, so that it has a traceback."""
    try:
        place(error)
    except Exception as found:  # noqa: BLE001 - any
        return found
    raise AssertionError


@pytest.mark.parametrize("outcome", Outcome)
def test_only_failures_time_outs_and_losses_count(outcome: Outcome) -> None:
    counted = {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST}

    assert Ending(outcome=outcome, to=State.FAILED).counts is (outcome in counted)


def test_a_fault_names_the_error_and_shows_where_it_was_raised() -> None:
    fault = Fault.of(caught(ValueError("no stock")))

    assert (fault.error_class, fault.error_message) == ("ValueError", "no stock")
    assert "raise error" in fault.traceback
    assert "ValueError: no stock" in fault.traceback


def test_an_error_of_a_project_is_named_with_its_module() -> None:
    assert Fault.of(Unspeakable()).error_class == f"{__name__}.Unspeakable"


def test_an_error_that_cannot_speak_is_described_all_the_same() -> None:
    assert Fault.of(caught(Unspeakable())).error_message == "(its message could not be read)"


def test_the_cause_of_an_error_is_part_of_its_traceback() -> None:
    error = ValueError("no stock")
    error.__cause__ = KeyError("shelf 7")

    assert "shelf 7" in Fault.of(caught(error)).traceback


def test_messages_and_tracebacks_are_bounded() -> None:
    fault = Fault.of(caught(ValueError("x" * 2 * TRACEBACK_LENGTH)))

    assert len(fault.error_message) == MESSAGE_LENGTH
    assert len(fault.traceback) == TRACEBACK_LENGTH


def test_hostile_text_is_cleaned() -> None:
    fault = Fault.of(caught(ValueError("a\x00b\ud800")))

    assert fault.error_message == "a\N{REPLACEMENT CHARACTER}b?"
    assert "\x00" not in fault.traceback


def test_failures_look_alike_when_class_and_place_do() -> None:
    first, second = (Fault.of(caught(ValueError(text))) for text in ("row 1", "row 2"))

    assert first.fingerprint == second.fingerprint


def test_failures_of_another_class_or_place_do_not_look_alike() -> None:
    faults = [
        caught(ValueError()),
        caught(KeyError()),
        caught(ValueError(), elsewhere),
        ValueError(),
    ]

    assert len({Fault.of(error).fingerprint for error in faults}) == len(faults)


def test_no_error_leaves_no_words() -> None:
    assert (CLEAN.error_class, CLEAN.error_message, CLEAN.traceback, CLEAN.fingerprint) == (
        "", "", "", "",
    )  # fmt: skip


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
