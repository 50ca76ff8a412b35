"""Two processes do something to one workflow: each test stands in the middle of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.drivers import ProjectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.drivers import Driver
    from tests.acceptance.gates import Gate
    from tests.acceptance.workflows.stage import Play


def test_two_last_members_close_their_batch_once(stage: Callable[..., Play]) -> None:
    play = stage(["chain", ["batch", "a", "b"], "c"])
    first = play.hold("a", "member counted")
    second = play.hold("b", "finishing")
    play.begin()
    first.wait()
    second.wait()
    second.release()
    play.await_a_lock()

    first.release()
    play.rest()

    _check_success(play, finishes=1)
    assert play.outcome().given()["c"] == [[["a", "b"]]]


def test_members_are_released_once_however_many_do_it(
    stage_behind: Callable[..., tuple[Play, Gate]],
) -> None:
    play, gate = stage_behind(["chain", "a", ["group", "b", "c"], "d"], "members released")
    play.await_a_lock()  # of a keeper, who does the same

    gate.release()
    play.rest()

    _check_success(play, finishes=1)
    assert play.outcome().given() == {"a": [[]], "b": [["a"]], "c": [["a"]], "d": [[["b", "c"]]]}


def test_members_that_are_released_while_their_batch_is_cancelled_do_not_run(
    stage_behind: Callable[..., tuple[Play, Gate]], another: Driver
) -> None:
    shape = ["chain", "a", ["group", "b", "c"], "d"]
    play, gate = stage_behind(shape, "members released", late="bc")

    another.begin("act", "cancel_batch", play.root)
    play.project.wait(lambda: play.outcome().batches["1"]["stopping"] == "cancelled")
    play.await_a_lock()
    gate.release()
    another.answer()
    play.rest()

    outcome = play.outcome()
    waited = {name: outcome.states[name] for name in ("b", "c", "d", "[1]", "[]")}
    assert set(waited.values()) == {"cancelled"}
    outcome.check_counts()
    assert outcome.given() == {"a": [[]]}
    assert outcome.told() == {"": {"finally": 1}, "1": {"finally": 1}}


def test_what_failed_is_retried_while_other_members_run(stage: Callable[..., Play]) -> None:
    play = stage(["batch", "a", ["chain", "b", "c"]], a="park fail pass")
    gate = play.hold("b", "in a part")
    play.begin()
    gate.wait()
    play.let_go_on("a")
    play.await_part("c", "cancelled")

    play.driver.call("retry_failed", play.root)
    play.await_part("a", "succeeded")
    gate.release()
    play.rest()

    _check_success(play, finishes=1, catches=1)
    assert play.outcome().given()["c"] == [["b"]]


def test_a_retry_holds_back_the_end_of_what_its_members_wait_for(
    stage: Callable[..., Play], another: Driver
) -> None:
    play = stage(["batch", "a", ["chain", "b", "c"]], a="park fail pass")
    gate = play.hold("b", "in a part")
    written = play.hold_process("another", "retry written")
    play.begin()
    gate.wait()
    play.let_go_on("a")
    play.await_part("c", "cancelled")

    another.begin("retry_failed", play.root)
    written.wait()
    gate.release()
    play.await_a_lock()
    written.release()
    another.answer()
    play.rest()

    _check_success(play, finishes=1, catches=1)
    assert play.outcome().given()["c"] == [["b"]]


def test_nothing_is_added_to_a_batch_that_is_about_to_end(
    stage: Callable[..., Play], another: Driver
) -> None:
    play = stage(["batch", "a"])
    gate = play.hold("a", "member counted")
    play.begin()
    gate.wait()
    another.begin("put_up", play.root, [f"{play.key}.b"], play.project.queue)
    play.await_a_lock()

    gate.release()
    with pytest.raises(ProjectError, match="BatchClosed"):
        another.answer()
    play.rest()

    _check_success(play, finishes=1)
    assert set(play.outcome().parts) == {"a"}


def test_a_batch_that_is_about_to_end_is_not_cancelled(
    stage: Callable[..., Play], another: Driver
) -> None:
    play = stage(["chain", ["batch", "a"], "b"])
    gate = play.hold("a", "member counted")
    play.begin()
    gate.wait()
    another.begin("act", "cancel_batch", play.id_of("0"))
    play.await_a_lock()

    gate.release()
    with pytest.raises(ProjectError, match="TransitionRefused"):
        another.answer()
    play.rest()

    _check_success(play, finishes=1)


def test_a_batch_does_not_end_while_somebody_adds_to_it(
    stage: Callable[..., Play], another: Driver
) -> None:
    play = stage(["batch", "a"])
    gate = play.hold("a", "finishing")
    added = play.hold_process("another", "members added")
    play.begin()
    gate.wait()
    another.begin("put_up", play.root, [f"{play.key}.b"], play.project.queue)
    added.wait()
    gate.release()
    play.await_a_lock()

    added.release()
    count = another.answer()
    play.rest()

    assert count == 1
    _check_success(play, finishes=1)
    assert set(play.outcome().parts) == {"a", "b"}


def test_a_member_adds_to_its_batch_once_although_its_process_dies(
    stage: Callable[..., Play],
) -> None:
    play = stage(["batch", "a", "b"], a="add add")
    gate = play.hold("a", "members added")
    play.begin()

    play.kill(gate)
    play.rest()

    _check_success(play, finishes=1)
    assert play.outcome().parts["a"]["outcomes"] == ["lost", "succeeded"]
    assert set(play.outcome().parts) == {"a", "b", "more"}


def test_of_two_retries_at_once_one_is_refused(
    stage: Callable[..., Play], another: Driver, third: Driver
) -> None:
    play = stage(["chain", ["batch", "a", "b"], "c"], a="fail pass")
    play.begin()
    play.rest()
    written = play.hold_process("another", "retry written")
    another.begin("retry_failed", play.root)
    written.wait()
    third.begin("retry_failed", play.root)
    play.await_a_lock()

    written.release()
    another.answer()
    with pytest.raises(ProjectError, match="TransitionRefused"):
        third.answer()
    play.rest()

    _check_success(play, finishes=2, catches=1)
    assert play.outcome().parts["a"]["outcomes"] == ["failed", "succeeded"]


def _check_success(play: Play, *, finishes: int, catches: int = 0) -> None:
    outcome = play.outcome()
    assert set(outcome.states.values()) == {"succeeded"}
    outcome.check_counts()
    told: dict[str, Any] = {"then": 1, "finally": finishes}
    told |= {"catch": catches} if catches else {}
    assert set(outcome.told()) == set(outcome.batches)
    assert all(dict(counts) == told for counts in outcome.told().values())
