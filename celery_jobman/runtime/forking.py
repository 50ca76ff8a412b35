"""Forking: no pool process is born while the keeper's thread is inside a library.

A fork copies the memory of the whole process and only one of its threads.  A lock that
another thread holds at that moment (SQLite's, libpq's, OpenSSL's, that of logging) stays
locked in the child for ever.  So forks wait until the keeper has finished the duty it is at.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Longest that a fork waits, in seconds: a database that hangs must not stop the pool.
PATIENCE = 10.0


class ForkGuard:
    """A lock that is free in every child."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held_for_fork = False
        self._is_installed = False

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Let no fork of this process happen inside this block."""
        with self._lock:
            yield

    def install(self) -> None:
        """Make forks wait; calling it again (an embedded worker's next start) changes nothing."""
        if self._is_installed:
            return
        self._is_installed = True
        os.register_at_fork(
            before=self.before, after_in_parent=self.after_in_parent, after_in_child=self.renew
        )

    def before(self) -> None:
        """Wait for the end of the block that runs, if one does."""
        self._held_for_fork = self._lock.acquire(timeout=PATIENCE)

    def after_in_parent(self) -> None:
        """Go on."""
        if self._held_for_fork:
            self._held_for_fork = False
            self._lock.release()

    def renew(self) -> None:
        """Begin anew in the child."""
        self._lock, self._held_for_fork = Lock(), False


guard = ForkGuard()
