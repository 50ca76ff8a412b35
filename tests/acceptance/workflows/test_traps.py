"""Three traps of Laravel's batches: they never end, do nothing again, or are waited for in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.workflows.stage import Play


def test_a_chain_that_breaks_inside_a_batch_lets_the_batch_finish(
    stage: Callable[..., Play],
) -> None:
    play = stage(["batch", ["chain", "a", "b", "c"], "d"], a="fail pass", d="release")
    play.begin()
    play.rest()

    broken = play.outcome()
    play.act("retry", "a")
    play.rest()
    mended = play.outcome()

    ends = {name: broken.states[name] for name in ("a", "b", "c", "[]")}
    assert ends == {"a": "failed", "b": "skipped", "c": "skipped", "[]": "failed"}
    broken.check_counts()
    assert broken.told()[""] == {"catch": 1, "finally": 1}
    assert set(mended.states.values()) == {"succeeded"}
    mended.check_counts()
    assert mended.told()[""] == {"catch": 1, "then": 1, "finally": 2}
    assert mended.given()["c"] == [["b"]]


def test_a_retried_member_of_a_batch_that_its_failure_cancelled_does_its_work(
    stage: Callable[..., Play],
) -> None:
    play = stage(["batch", "a", ["chain", "b", "c"]], a="park fail pass", b="park")
    play.begin()
    play.rest()
    play.let_go_on("a")
    play.await_part("c", "cancelled")
    broken = play.outcome()

    play.driver.call("retry_failed", play.root)
    waiting = play.outcome()
    play.driver.call("put_off", play.id_of("b"), 0)
    play.rest()

    outcome = play.outcome()
    assert broken.states == {"a": "failed", "b": "scheduled", "c": "cancelled", "[]": "running"}
    assert waiting.states["c"] == "blocked"
    assert set(outcome.states.values()) == {"succeeded"}
    outcome.check_counts()
    assert outcome.told()[""] == {"catch": 1, "then": 1, "finally": 1}
    assert outcome.given()["c"] == [["b"]]


def test_a_retried_member_takes_with_it_what_would_have_been_given_something_since(
    stage: Callable[..., Play],
) -> None:
    play = stage(["batch", "a", ["chain", "b", "c"]], a="park fail pass", b="park")
    play.begin()
    play.rest()
    play.let_go_on("a")
    play.await_part("c", "cancelled")
    play.let_go_on("b")
    play.rest()
    broken = play.outcome()

    play.act("retry", "a")
    play.rest()

    outcome = play.outcome()
    assert broken.states == {"a": "failed", "b": "succeeded", "c": "cancelled", "[]": "failed"}
    assert set(outcome.states.values()) == {"succeeded"}
    outcome.check_counts()
    assert outcome.told()[""] == {"catch": 1, "then": 1, "finally": 2}
    assert outcome.given()["c"] == [["b"]]


def test_a_retried_member_of_a_batch_that_was_cancelled_does_its_work(
    stage: Callable[..., Play],
) -> None:
    play = stage(["batch", "a", "b"], a="park", b="park")
    play.begin()
    play.rest()
    play.act("cancel_batch", "")
    play.rest()

    play.act("retry", "a")
    play.rest()
    one = play.outcome()
    play.act("retry", "b")
    play.rest()
    both = play.outcome()

    assert one.states == {"a": "succeeded", "b": "cancelled", "[]": "cancelled"}
    one.check_counts()
    assert one.told()[""] == {"finally": 2}
    assert set(both.states.values()) == {"succeeded"}
    both.check_counts()
    assert both.told()[""] == {"then": 1, "finally": 3}


def test_a_chain_goes_on_behind_a_batch_that_had_to_be_retried(
    stage: Callable[..., Play],
) -> None:
    play = stage(["chain", "a", ["batch", "b", "c"], "d", "e"], b="fail fail pass", c="release")
    play.begin()
    play.rest()
    for _ in range(2):
        play.driver.call("retry_failed", play.root)
        play.rest()

    outcome = play.outcome()

    assert set(outcome.states.values()) == {"succeeded"}
    outcome.check_counts()
    assert outcome.told()["1"] == {"catch": 2, "then": 1, "finally": 3}
    assert outcome.told()[""] == {"catch": 2, "then": 1, "finally": 3}
    assert outcome.given()["d"] == [[["b", "c"]]]
    assert outcome.given()["e"] == [["d"]]
