"""Arrears: ends of attempts that a process could not write, because the database was away.

The task's own work is done, and Celery was told so; only the row does not know.  The
supervisor pays as soon as the database answers.  If the process dies before that, the job
still looks as if it were running there, is rescued, and runs again.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from celery_jobman.exceptions import ClaimLost
from celery_jobman.runtime.connection import OUTAGE, drop, private

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("celery_jobman")

#: Ends that one process keeps; more are not expected, for it stops taking jobs meanwhile.
MOST = 1000

_owed: deque[Callable[[], object]] = deque()


def owe(write: Callable[[], object]) -> None:
    """Keep a write that failed, for :func:`pay`."""
    if len(_owed) >= MOST:
        logger.error("Too many ends could not be written, one was dropped")
        return
    _owed.append(write)


def is_clear() -> bool:
    """Whether nothing is owed."""
    return not _owed


def pay() -> None:
    """Try every write that is owed, in order, until the database is away again."""
    while _owed:
        write = _owed.popleft()
        try:
            with private():
                write()
        except OUTAGE:
            _owed.appendleft(write)
            with private():
                drop()
            return
        except ClaimLost:
            logger.warning("An end came too late, the job had been taken back")
        except Exception:
            logger.exception("An end could not be written and was dropped")
