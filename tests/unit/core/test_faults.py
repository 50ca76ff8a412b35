from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.core.faults import CLEAN, MESSAGE_LENGTH, TRACEBACK_LENGTH, Fault

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
