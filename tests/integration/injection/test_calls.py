"""Each call of code of the project raises: the job says so, and no other job waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.insight import explanation
from celery_jobman.states import State
from tests.integration.injection import calls, errors, tally
from tests.integration.injection.calls import CALLS, RESULTS, Call, Unspeakable
from tests.integration.injection.scenes import EVERYTHING, PATIENCE, Scene
from tests.integration.injection.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.injection.family import Family
    from tests.integration.injection.world import World


pytestmark = pytest.mark.timeout(PATIENCE)


@pytest.fixture(autouse=True)
def _receivers() -> Iterator[None]:
    with calls.receivers():
        yield
    calls.bombs.clear()


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_what_a_call_raises_is_its_jobs_trouble(call: Call, world: World) -> None:
    scene = Scene(call.place, calls.prepared(call.task), is_asked=call.refuses)
    undisturbed = Trial(world, scene)
    normal = undisturbed.play()
    assert undisturbed.found == []

    found = []
    for error in chosen(call):
        calls.bombs = {call.place: error}
        trial = Trial(world, scene)
        end = trial.play()
        calls.bombs = {}
        trial.found += judged(call, error, trial, end.subject == normal.subject, world)
        if end.bystander != normal.bystander:
            trial.found.append(f"the bystander came to another end: {end.bystander}")
        found += [f"{type(error).__name__}: {each}" for each in trial.found]
        tally.counts["calls of user code"] += 1

    assert not found, "\n".join(found)


def chosen(call: Call) -> tuple[BaseException, ...]:
    """Return what a call raises: in each run one thing, and not what the next call does."""
    number = CALLS.index(call) % len(call.raises)
    return call.raises if EVERYTHING else call.raises[number : number + 1]


def judged(
    call: Call,
    error: BaseException,
    trial: Trial,
    is_same: bool,  # noqa: FBT001 - one of several facts
    world: World,
) -> list[str]:
    """Return what is wrong with the end of a job whose call has raised."""
    if call.refuses:
        return []
    if not call.fails:
        return [] if is_same else [f"it came to another end: {trial.subject.ends()}"]
    if is_same:
        return ["it ended as if nothing had been raised"]
    words = "could not be read" if isinstance(error, Unspeakable) else errors.WORDS
    told = _told(trial.subject, world)
    return [] if any(words in each for each in told) else [f"nothing says why: {told}"]


def _told(family: Family, world: World) -> list[str]:
    failed = (job for job in family.jobs if job.state == State.FAILED)
    return [explanation.why(job, world.now()) for job in failed]


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_that_cannot_be_stored_is_its_jobs_trouble(name: str, world: World) -> None:
    def prepare(_: World, who: str) -> Any:
        return calls.enqueued(calls.fine, name if who == calls.SUBJECT else who)

    trial = Trial(world, Scene(name, prepare))

    end = trial.play()

    assert trial.found == []
    assert {state for _, _, state in end.bystander} == {State.SUCCEEDED}
    tally.counts["calls of user code"] += 1
