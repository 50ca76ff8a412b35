from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest

import example_project
from example_project.demo.processes import Crew
from example_project.demo.screen import Screen
from tests import celery_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# To import a project makes its app the current one.  The other tests go on with theirs.
assert example_project.celery_app is not celery_app.app
celery_app.app.set_current()


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with Crew(tmp_path, {"PATH": "/usr/bin:/bin"}) as crew:
        yield crew


@pytest.fixture
def out() -> StringIO:
    return StringIO()


@pytest.fixture
def screen(out: StringIO) -> Screen:
    return Screen(out)
