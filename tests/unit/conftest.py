"""What the unit tests share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.db import connection
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


@contextmanager
def _budget(allowed: int) -> Iterator[None]:
    with CaptureQueriesContext(connection) as captured:
        yield
    sent = [query["sql"] for query in captured if not query["sql"].startswith(BOUNDS)]
    assert len(sent) <= allowed, "\n".join(sent)
