"""What opens a large batch dies half-way, and what cancels it at once: the keepers go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.gates import Gate
    from tests.acceptance.workflows.stage import Play

#: Several slices of an errand.
MANY = [f"m{number}" for number in range(1_200)]


def test_keepers_go_on_with_the_errands_of_the_dead(
    stage_behind: Callable[..., tuple[Play, Gate]],
) -> None:
    shape = ["chain", "a", ["batch", *MANY], "z"]
    play, opener = stage_behind(shape, "slice done", late=MANY)
    play.kill(opener)
    play.project.wait(lambda: not play.row("1")["opening"])
    opened = play.outcome()

    with play.project.another_driver("canceller") as driver:
        canceller = play.hold_process("canceller", "hint")
        driver.begin("act", "cancel_batch", play.root)
        canceller.wait()
        driver.kill()
    play.rest()

    assert {opened.states[name] for name in MANY} <= {"scheduled", "queued"}
    outcome = play.outcome()
    assert outcome.states == {**dict.fromkeys(outcome.states, "cancelled"), "a": "succeeded"}
    outcome.check_counts()
    assert outcome.told() == {"": {"finally": 1}, "1": {"finally": 1}}
