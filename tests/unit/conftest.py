"""What the unit tests share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Budget = Callable[[int], AbstractContextManager[None]]

#: What only marks a transaction's bounds.
BOUNDS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO")


@pytest.fixture
def budget() -> Budget:
    """Hold a block to at most so many statements; the bounds of transactions do not count."""
    return _budget


@pytest.fixture
def side_door() -> Iterator[str]:
    """Open the test database a second time under another alias."""
    connections["side_door"] = connection.copy(alias="side_door")
    yield "side_door"
    connections["side_door"].close()
    del connections["side_door"]


@contextmanager
def _budget(allowed: int) -> Iterator[None]:
    with CaptureQueriesContext(connection) as captured:
        yield
    sent = [query["sql"] for query in captured if not query["sql"].startswith(BOUNDS)]
    assert len(sent) <= allowed, "\n".join(sent)
