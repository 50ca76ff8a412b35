"""The stage of the oracle, and one on which faults are planted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.oracle.asking import Oracle
from tests.acceptance.oracle.stage import stage_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.stacks import Stacks


@pytest.fixture(scope="session")
def oracle(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """Celery's canvas beside ours."""
    with stage_on(stacks, tmp_path_factory.mktemp("oracle")) as stage:
        yield Oracle(stage=stage)


@pytest.fixture(scope="session")
def spoilt(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """Celery's canvas beside ours, with faults in ours."""
    folder = tmp_path_factory.mktemp("spoilt")
    with stage_on(stacks, folder, planted="tests.acceptance.oracle.planted") as stage:
        yield Oracle(stage=stage)
