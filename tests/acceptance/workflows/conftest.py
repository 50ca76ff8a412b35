"""The grounds of the workflows: on each a project with two workers, and all that is woven there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.gates import NeverReached
from tests.acceptance.projects import Project
from tests.acceptance.workflows.cases import CASES, GROUNDS
from tests.acceptance.workflows.loom import Loom
from tests.acceptance.workflows.stage import Play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.acceptance.drivers import Driver
    from tests.acceptance.gates import Gate
    from tests.acceptance.stacks import Stack, Stacks
    from tests.acceptance.workflows.loom import Outcome
    from tests.acceptance.workflows.shapes import Shape

Ground = tuple[str, str]

#: How often a workflow is staged until the process that is meant is the first.
TRIES = 10
#: Seconds in which a process comes from the end of its job to the errands that it made due.
SOON = 5


@pytest.fixture(scope="session")
def grounds(
    stacks: Stacks,
    drivers: Callable[[Stack], Driver],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Ground], Project]]:
    """Return the project of a ground, with two workers."""
    known: dict[Ground, Project] = {}

    def project(ground: Ground) -> Project:
        if ground not in known:
            stack, folder = stacks.get(*ground), tmp_path_factory.mktemp("gates")
            known[ground] = Project(
                stack=stack, driver=drivers(stack), folder=folder, queue="workflows"
            )
            for _ in range(2):
                known[ground].worker(concurrency=3, wait=False)
        return known[ground]

    yield project
    for each in known.values():
        each.close()


@pytest.fixture(scope="session")
def outcomes(grounds: Callable[[Ground], Project]) -> Callable[[Ground], dict[str, Outcome]]:
    """Weave all cases of a ground when a test first asks; return what has become of them."""
    woven: dict[Ground, dict[str, Outcome]] = {}

    def read(ground: Ground) -> dict[str, Outcome]:
        if ground not in woven:
            loom = Loom(grounds(ground))
            woven[ground] = loom.outcomes  # also if it breaks: once is enough
            loom.weave(CASES[ground])
        return woven[ground]

    return read


@pytest.fixture(scope="session")
def processes(
    grounds: Callable[[Ground], Project],
) -> Iterator[Callable[[Ground, str], Driver]]:
    """Return further processes of a ground's project; their gates are called by their roles."""
    started: dict[tuple[Ground, str], Driver] = {}

    def process(ground: Ground, role: str) -> Driver:
        if (ground, role) not in started:
            started[ground, role] = grounds(ground).another_driver(role)
        return started[ground, role]

    yield process
    for each in started.values():
        each.close()


@pytest.fixture(params=GROUNDS, ids="-".join)
def ground(request: pytest.FixtureRequest) -> Ground:
    """Each of the grounds."""
    chosen: Ground = request.param
    return chosen


@pytest.fixture
def stage(ground: Ground, grounds: Callable[[Ground], Project]) -> Iterator[Callable[..., Play]]:
    """Return a workflow of a shape, on each of the grounds."""
    played: list[Play] = []

    def play(
        shape: Shape,
        *,
        late: Sequence[str] = (),
        allowances: dict[str, Any] | None = None,
        watched: bool = False,
        **acts: str,
    ) -> Play:
        scripts: dict[str, Sequence[str]] = {part: acts[part].split() for part in acts}
        made = Play(project=grounds(ground), shape=shape, acts=scripts, late=late)
        played.append(replace(made, allowances=allowances or {}, watched=watched))
        return played[-1]

    yield play
    for each in played:
        each.close()


@pytest.fixture
def stage_behind(stage: Callable[..., Play]) -> Callable[..., tuple[Play, Gate]]:
    """Return a workflow in which the process of ``a`` stands in the errand that its end makes due.

    A keeper runs errands as well.  Where one was first, the workflow is staged anew.
    """

    def play(shape: Shape, moment: str, **options: Any) -> tuple[Play, Gate]:
        for _ in range(TRIES):
            made = stage(shape, **options)
            gate = made.hold("a", moment)
            made.begin()
            made.await_part("a", "succeeded")
            with suppress(NeverReached):
                gate.wait(SOON)
                return made, gate
            gate.release()
            made.rest()
        raise NeverReached(f"{moment!r}: a keeper was first {TRIES} times")

    return play


@pytest.fixture
def another(ground: Ground, processes: Callable[[Ground, str], Driver]) -> Driver:
    """A second process of the project, ``another``."""
    return processes(ground, "another")


@pytest.fixture
def third(ground: Ground, processes: Callable[[Ground, str], Driver]) -> Driver:
    """One more."""
    return processes(ground, "third")
