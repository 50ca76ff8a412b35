"""A Redis of the run's own, on a free port, so that no two runs ever share one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from celery_jobman.testing.localnodes import LocalRedis

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis that keeps nothing on disk; yield its URL and stop it afterwards.

    Raises:
        ServerUnavailable: No Redis is installed.
    """
    node = LocalRedis()
    try:
        node.start()
        node.ready()
        yield node.url
    finally:
        node.teardown()
