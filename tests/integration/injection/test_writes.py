"""Every write of ours fails, once and for good: no other job waits, and the job itself says why.

A run tries a write with one class of error in one mode, always the same, and all of them spread
over the writes; of long scenes it tries every second write.  ``JOBMAN_TEST_INJECTION=all`` tries
each write with every class in every mode.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import pytest

from celery_jobman.states import State
from tests.integration.injection import errors, scenes, tally
from tests.integration.injection.injector import ALWAYS, MODES, Case
from tests.integration.injection.scenes import EVERYTHING, PATIENCE, SCENES, Scene
from tests.integration.injection.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.injection.world import World


pytestmark = pytest.mark.timeout(PATIENCE)

#: Writes of a scene of which each is tried in each run; of longer ones every second is.
SHORT: Final = 12


def cases(writes: int, first: int) -> Iterator[Case]:
    """Return the faults that are tried in a scene of so many writes."""
    every = 1 if EVERYTHING or writes <= SHORT else 2
    for number in range(0, writes, every):
        turn = first + number  # the classes are five and the modes three: it meets every pair
        if EVERYTHING:
            yield from (Case(number, *pair) for pair in product(errors.CLASSES, MODES))
        else:
            yield Case(number, errors.CLASSES[turn % 5], MODES[turn % 3])


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_write_that_fails_is_one_jobs_trouble(scene: Scene, world: World) -> None:
    undisturbed = Trial(world, scene)
    result = undisturbed.play()
    assert undisturbed.found == []
    assert result.subject == result.bystander

    found = []
    for case in cases(len(result.writes), SCENES.index(scene)):
        trial = Trial(world, scene, case)
        end = trial.play()
        if end.bystander != result.bystander:
            trial.found.append(f"the bystander came to another end: {end.bystander}")
        if not world.injector.struck:
            trial.found.append("nothing failed")
        found += [f"{case} ({result.writes[case.number]}): {each}" for each in trial.found]
        tally.counts["cases"] += 1

    tally.counts["scenes"] += 1
    tally.counts["writes"] += len(result.writes)
    assert not found, "\n".join(found)


def test_a_link_of_celerys_that_cannot_be_enqueued_fails_and_says_why(world: World) -> None:
    scene = next(scene for scene in SCENES if scene.name == "a chain of Celery's own")
    writes = Trial(world, scene).play().writes

    ends = [
        Trial(world, scene, Case(number, errors.CONSTRAINT, ALWAYS)).play().subject
        for number in range(len(writes))
    ]

    links = [(scenes.deed.name, "", str(state)) for state in (State.FAILED, State.SKIPPED)]
    assert any(all(end[link] for link in links) for end in ends)
