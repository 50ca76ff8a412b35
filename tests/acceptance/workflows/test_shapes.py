"""Workflows of every shape, in which something happens at every place, end by the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.workflows.cases import CASES, Case, tried_parts
from tests.acceptance.workflows.events import EVENTS
from tests.acceptance.workflows.loom import slices
from tests.acceptance.workflows.shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.workflows.loom import Outcome

    Ground = tuple[str, str]

#: Seconds for the first test of a ground, which waits for all its workflows.
WEAVING = 360 * max(len([*slices(cases)]) for cases in CASES.values())
TABLE = [(ground, case) for ground, cases in CASES.items() for case in cases]


@pytest.mark.timeout(WEAVING)
@pytest.mark.parametrize(
    ("ground", "case"), TABLE, ids=[f"{case}-{'-'.join(ground)}" for ground, case in TABLE]
)
def test_a_workflow_ends_by_the_rules(
    outcomes: Callable[[Ground], dict[str, Outcome]], ground: Ground, case: Case
) -> None:
    outcome, world = outcomes(ground)[case.key], case.world

    assert outcome.states == {
        **{name: part.state for name, part in world.parts.items()},
        **{f"[{path}]": batch.state for path, batch in world.batches.items()},
    }
    assert outcome.parts[case.part]["outcomes"] == [*case.event.outcomes]
    assert outcome.was_killed == bool(case.event.killed_at)
    assert outcome.told() == {path: +batch.told for path, batch in world.batches.items()}
    assert outcome.given() == {
        name: [part.given] * outcome.parts[name]["attempt"]
        for name, part in world.parts.items()
        if outcome.parts[name]["attempt"]
    }
    outcome.check_counts()
    _check_callbacks(outcome, case)


def _check_callbacks(outcome: Outcome, case: Case) -> None:
    finishes = {path: row["finishes"] for path, row in outcome.batches.items()}
    assert finishes == {path: told["finally"] for path, told in outcome.told().items()}
    for deed in outcome.callbacks():
        batch_id, *error = deed["given"]
        assert batch_id == outcome.batches[deed["batch"].rpartition(":")[2]]["id"]
        causes = [each["job_id"] for each in error]
        assert causes == [outcome.parts[case.part]["id"]] * (deed["role"] == "catch")


def test_everything_happens_on_every_ground() -> None:
    for cases in CASES.values():
        assert {case.event for case in cases} >= set(EVENTS)


def test_something_happens_in_every_shape_and_at_every_part_of_those_of_depth_two() -> None:
    tried = {(case.title, case.part) for _, case in TABLE}

    assert len(SHAPES) >= 40
    assert {title for title, _ in tried} == set(SHAPES)
    assert {(title, part) for title in SHAPES for part in tried_parts(title)} <= tried
