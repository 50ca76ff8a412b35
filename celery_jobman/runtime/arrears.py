"""Arrears: ends of attempts that a process could not write, because the database did not take them.

The task's own work is done, and Celery was told so; only the row does not know.  The supervisor
pays as soon as the database answers.  An end that it refuses, whatever is left out, or that still
meets another transaction, waits behind the others for a pause that doubles, and is a trouble of
its job.  If the process dies before that, the job still looks as if it were running there, is
rescued, and runs again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils import timezone

from celery_jobman.core import troubles
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Duty
from celery_jobman.models.database_errors import Answer, answer
from celery_jobman.runtime.connection import drop, private

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

logger = logging.getLogger("celery_jobman")

#: Ends that one process keeps; more are not expected, for it stops taking jobs meanwhile.
MOST = 1000


@dataclass(slots=True)
class Debt:
    """One write that is owed."""

    write: Callable[[], object]
    job_id: UUID | None
    #: Seconds of the monotonic clock before which it is not tried.
    due: float = 0.0
    refusals: int = 0


_owed: deque[Debt] = deque()


def owe(write: Callable[[], object], job_id: UUID | None = None) -> None:
    """Keep a write that failed, for :func:`pay`; ``job_id`` is the job whose end it is."""
    if len(_owed) >= MOST:
        logger.error("Too many ends could not be written, one was dropped")
        return
    _owed.append(Debt(write, job_id))


def is_clear() -> bool:
    """Whether nothing is owed."""
    return not _owed


def pay() -> None:
    """Try every write that is owed and due, in order, until the database is away again."""
    for _ in range(len(_owed)):
        debt = _owed.popleft()
        if debt.due > time.monotonic():
            _owed.append(debt)
        elif not _is_paid(debt):
            return


def _is_paid(debt: Debt) -> bool:
    """Try one; return False when the database is away, which ends the round."""
    try:
        with private():
            debt.write()
            if debt.refusals and debt.job_id is not None:
                troubles.overcome(Duty.END, debt.job_id)
    except ClaimLost:
        logger.warning("An end came too late, the job had been taken back")
    except Exception as error:  # noqa: BLE001 - whatever it is, the end is still owed
        if answer(error) is Answer.OUTAGE:
            _owed.appendleft(debt)
            with private():
                drop()
            return False
        _put_off(debt, error)
    return True


def _put_off(debt: Debt, error: Exception) -> None:
    debt.due = time.monotonic() + troubles.pause(debt.refusals).total_seconds()
    debt.refusals += 1
    _owed.append(debt)
    logger.error("An end is refused by the database job=%s error=%r", debt.job_id, error)
    if debt.job_id is None:
        return
    try:
        with private():
            troubles.note(Duty.END, debt.job_id, error, now=timezone.now())
    except Exception:
        logger.exception("A refused end could not be noted job=%s", debt.job_id)
