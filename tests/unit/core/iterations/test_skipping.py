from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from celery_jobman.exceptions import JobCancelled
from celery_jobman.models import StepState
from tests.factories import runner_of, running_job

pytestmark = pytest.mark.django_db

LETTERS = list("abcde")


def test_each_is_called_with_every_item_at_once() -> None:
    each = Mock()

    iteration = runner_of(running_job()).iterate("load", LETTERS, each=each)

    assert [call.args for call in each.call_args_list] == [(letter,) for letter in LETTERS]
    assert (iteration.finished, iteration.done, iteration.skipped) == (True, 5, [])


def only_vowels(letter: str) -> None:
    if letter not in "aeiou":
        raise ValueError(f"{letter} is no vowel")


def test_bad_items_can_be_skipped_and_are_listed() -> None:
    job = running_job()

    iteration = runner_of(job).iterate("load", LETTERS, each=only_vowels, on_error="skip")

    assert [entry["item"] for entry in iteration.skipped] == ["b", "c", "d"]
    assert iteration.skipped[0] == {
        "index": 1, "item": "b", "error": "ValueError: b is no vowel",
    }  # fmt: skip
    row = job.steps.get()
    assert (row.state, row.done, row.skipped) == (StepState.SUCCEEDED, 5, iteration.skipped)


def test_a_loop_can_skip_its_current_item() -> None:
    job = running_job()
    rows = runner_of(job).iterate("load", LETTERS)

    for item in rows:
        if item == "b":
            rows.skip("no price")

    assert job.steps.get().skipped == [{"index": 1, "item": "b", "error": "no price"}]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_there_is_nothing_to_skip_outside_the_loop(moment: str) -> None:
    rows = runner_of(running_job()).iterate("load", LETTERS)
    if moment == "after":
        list(rows)

    with pytest.raises(ValueError, match="'load' has no current item to skip"):
        rows.skip("why not")


def test_control_flow_is_never_skipped() -> None:
    with pytest.raises(JobCancelled):
        runner_of(running_job()).iterate(
            "load", LETTERS, each=Mock(side_effect=JobCancelled), on_error="skip"
        )


class Passing(Exception):
    """Stands for a time limit, which is no item's fault."""


def test_what_is_no_fault_of_the_item_is_never_skipped() -> None:
    each = Mock(side_effect=[None, Passing])
    runner = runner_of(running_job(), passing=(Passing,))

    with pytest.raises(Passing):
        runner.iterate("load", LETTERS, each=each, on_error="skip")

    assert each.call_count == 2


def test_the_error_of_an_item_that_is_not_skipped_is_noted_with_the_cursor() -> None:
    job = running_job()
    with pytest.raises(ValueError, match="b is no vowel"):
        runner_of(job).iterate("load", LETTERS, each=only_vowels)

    row = job.steps.get()
    assert (row.state, row.done, row.error_message) == (
        StepState.FAILED, 1, "ValueError: b is no vowel",
    )  # fmt: skip


def test_an_item_that_was_skipped_before_a_crash_and_is_done_after_it_is_not_listed() -> None:
    job = running_job(attempt=2)
    rows = runner_of(job).iterate("load", LETTERS)
    for item in rows:
        if item == "b":
            rows.skip("no price")
            break

    resumed = runner_of(job, 2).iterate("load", LETTERS, each=Mock())

    assert resumed.skipped == []


def test_an_item_that_is_skipped_in_each_attempt_is_listed_once() -> None:
    job = running_job(attempt=2)
    for number in (1, 2):
        rows = runner_of(job, number).iterate("load", LETTERS)
        for item in rows:
            if item == "b":
                rows.skip("no price")
                break

    assert [entry["item"] for entry in job.steps.get().skipped] == ["b"]


def test_skipped_items_survive_a_break() -> None:
    job = running_job(attempt=2)
    rows = runner_of(job).iterate("load", LETTERS)
    for item in rows:
        if item == "b":
            rows.skip("no price")
        if item == "d":
            break

    resumed = runner_of(job, 2).iterate("load", LETTERS, each=Mock())

    assert [entry["item"] for entry in resumed.skipped] == ["b"]


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ({"id": 7}, {"id": 7}),
        ({1, 2}, "{1, 2}"),
        ("a\x00b", "'a\\x00b'"),
        ("a\ud800b", "'a\\ud800b'"),
        (float("nan"), "nan"),
        ("x" * 600, "'" + "x" * 498 + "…"),
    ],
)
def test_a_skipped_item_is_shown_in_a_form_that_can_be_stored(item: Any, shown: Any) -> None:
    job = running_job()

    runner_of(job).iterate(
        "load", [item], each=Mock(side_effect=ValueError("a\x00b\ud800")), on_error="skip"
    )

    (entry,) = job.steps.get().skipped
    assert entry["item"] == shown
    assert entry["error"] == "ValueError: a\N{REPLACEMENT CHARACTER}b?"
