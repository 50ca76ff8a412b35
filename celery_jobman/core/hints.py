"""Hints: what this process may do at once, so that nobody has to find it out a second later.

The verbs only write rows.  When the rows say that a job is due, that a job ended without ever
reaching a worker, or that a batch has members to see to, the keepers of the workers find it
within ``JOBMAN["DISPATCH_EVERY"]``.  A hint, given once the transaction is committed, lets the
process that wrote them do it right away.  It may fail, or be lost with the process: then the
keepers do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from celery_jobman.core import moments
from celery_jobman.models.database import using

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from celery_jobman.models import Job


class Hints:
    """Who is told; the runtime fills it in."""

    def __init__(self) -> None:
        #: Jobs were scheduled and may be due.
        self.due: Callable[[Sequence[UUID]], object] = bool
        #: Jobs were cancelled or skipped while they waited.
        self.ended: Callable[[Sequence[UUID]], object] = bool
        #: A job was cancelled, and its row is deleted.
        self.gone: Callable[[Job], object] = bool
        #: A batch has ended that may stand in for a job.
        self.stood_in: Callable[[UUID], object] = bool
        #: A batch has first links to release, or members to end.
        self.errand: Callable[[UUID], object] = bool


hints = Hints()


def due(job_ids: Sequence[UUID]) -> None:
    """Say, after the commit, that these jobs are scheduled."""
    _after_commit(lambda: hints.due(job_ids))


def ended(job_ids: Sequence[UUID]) -> None:
    """Say, after the commit, that these jobs ended without running."""
    _after_commit(lambda: hints.ended(job_ids))


def gone(job: Job) -> None:
    """Say, after the commit, that a job was cancelled whose row is no more."""
    _after_commit(lambda: hints.gone(job))


def stood_in(batch_id: UUID) -> None:
    """Say, after the commit, that a batch has ended that may stand in for a job."""
    _after_commit(lambda: hints.stood_in(batch_id))


def errand(batch_id: UUID) -> None:
    """Say, after the commit, that there is something to do for this batch."""
    _after_commit(lambda: hints.errand(batch_id))


def _after_commit(follow: Callable[[], object]) -> None:
    def at_once() -> None:
        moments.reached("hint")
        follow()

    transaction.on_commit(at_once, using=using(), robust=True)
