"""The scenes of the matrix, each played once, when a test first asks for its books."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.faults import report
from tests.acceptance.faults.scenes import Scene
from tests.acceptance.projects import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.drivers import Driver
    from tests.acceptance.faults.books import Books
    from tests.acceptance.faults.table import Fault, Ground
    from tests.acceptance.stacks import Stack, Stacks

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def books(
    stacks: Stacks,
    drivers: Callable[[Stack], Driver],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Fault, Ground], Books]:
    """Return the books of a fault on a ground."""
    played: dict[tuple[str, str], Books] = {}

    def read(fault: Fault, ground: Ground) -> Books:
        key = fault.name, str(ground)
        if key not in played:
            stack = stacks.get(ground.broker, ground.database)
            project = Project(
                stack=stack,
                driver=drivers(stack),
                folder=tmp_path_factory.mktemp("gates"),
                queue=f"scene{next(_numbers)}",
            )
            played[key] = Scene(fault=fault, ground=ground, project=project, stacks=stacks).play()
        return played[key]

    return read


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix, filled in, if any of its cells was run."""
    results: report.Results = {
        tuple(dict(test.user_properties)["cell"]): word
        for word in report.MARKS
        for test in terminalreporter.stats.get(word, ())
        if "cell" in dict(test.user_properties)
    }
    if results:
        terminalreporter.section("fault matrix")
        for line in report.lines(results):
            terminalreporter.line(line)
