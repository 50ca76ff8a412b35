"""Which worker this process belongs to, and whether that worker is stopping.

The worker's main process calls :func:`become` before it forks its pool, so that children
inherit the answer.  The stop flag lives in one byte of shared memory, for the same reason:
the main process raises it, and every child sees it at its next checkpoint, without a query.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery_jobman.models.ids import uuid7

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Identity:
    """One start of one worker."""

    worker_id: UUID
    hostname: str
    pool: str


_shared = mmap.mmap(-1, 1)
_identity: Identity | None = None


def become(hostname: str, pool: str) -> Identity:
    """Declare this process, and those it will fork, to be one start of a worker."""
    global _identity  # noqa: PLW0603 - what a process is, it is as a whole
    _identity = Identity(uuid7(), hostname, pool)
    _shared[0] = 0
    return _identity


def current() -> Identity | None:
    """Return the worker this process belongs to; None outside workers."""
    return _identity


def resign() -> None:
    """Belong to no worker any more: the one that started in this process has ended."""
    global _identity  # noqa: PLW0603 - as above
    _identity = None
    _shared[0] = 0


def begin_stopping() -> None:
    """Tell every process of this worker that it is stopping."""
    _shared[0] = 1


def is_stopping() -> bool:
    """Whether this process's worker is stopping."""
    return _shared[0] != 0
