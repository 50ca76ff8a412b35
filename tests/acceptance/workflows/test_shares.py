"""Batches that allow a share of failures, and batches that tell how far they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from celery_jobman.core.callbacks import PROGRESS_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.workflows.stage import Play

#: A share of these allows two of them to fail.
PARTS = [f"p{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("failures", "state", "told"),
    [
        (2, "succeeded", {"catch": 1, "then": 1, "finally": 1}),
        (3, "failed", {"catch": 1, "finally": 1}),
    ],
)
def test_a_share_of_failures_is_allowed(
    stage: Callable[..., Play], failures: int, state: str, told: dict[str, int]
) -> None:
    failing = dict.fromkeys(PARTS[:failures], "fail")
    play = stage(["batch", *PARTS], allowances={"": "10%"}, **failing)
    play.begin()
    play.rest()

    outcome = play.outcome()
    assert outcome.states["[]"] == state
    outcome.check_counts()
    assert outcome.told()[""] == told


def test_what_is_retried_does_not_use_up_the_share(stage: Callable[..., Play]) -> None:
    failing = PARTS[:3]
    acts = dict.fromkeys(failing, "park fail pass")
    play = stage(["batch", *PARTS], allowances={"": "10%"}, **acts)
    play.begin()
    play.rest()  # so that the third failure finds nobody to cancel
    for part in failing:
        play.let_go_on(part)
        play.await_part(part, "failed")
    play.rest()
    assert play.outcome().states["[]"] == "failed"

    play.act("retry", failing[0])
    play.rest()

    outcome = play.outcome()
    assert outcome.states["[]"] == "succeeded"
    outcome.check_counts()
    assert outcome.told()[""] == {"catch": 1, "then": 1, "finally": 2}


def test_a_batch_tells_how_far_it_is_and_once_more_in_the_end(stage: Callable[..., Play]) -> None:
    play = stage(["batch", "a", "b", "c"], watched=True, b="park", c="park")
    before = time.monotonic()
    play.begin()
    begun = time.monotonic()
    play.await_part("a", "succeeded")
    at_first = play.outcome().callbacks()
    is_quick = time.monotonic() - before < PROGRESS_EVERY.total_seconds()

    play.project.wait(lambda: time.monotonic() - begun > PROGRESS_EVERY.total_seconds())
    play.let_go_on("b")
    play.await_part("b", "succeeded")
    play.project.wait(lambda: len(play.outcome().callbacks()) > len(at_first))
    play.let_go_on("c")
    play.rest()

    assert at_first == [] or not is_quick
    outcome = play.outcome()
    told = [deed["given"][1] for deed in outcome.callbacks() if deed["role"] == "progress"]
    assert [(each["finished"], each["pending"]) for each in told[-2:]] == [(False, 1), (True, 0)]
    assert outcome.told()[""] == {"progress": len(told), "then": 1, "finally": 1}
