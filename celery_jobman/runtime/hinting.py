"""Hinting: this process does at once what its own commits have made possible.

See :mod:`celery_jobman.core.hints`.  In Celery's eager mode nothing is sent: the jobs run here.
"""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING

from celery import current_app
from django.utils import timezone

from celery_jobman.core import errands, moments
from celery_jobman.core.batches import AT_ONCE
from celery_jobman.core.hints import hints
from celery_jobman.models import Job
from celery_jobman.runtime import broker, connection, eager, results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

logger = logging.getLogger("celery_jobman")

#: Jobs that are sent with one UPDATE.
SLICE = 500
#: Slices of one batch that are done right away; the rest is left to the keepers.
SLICES = 20


def install() -> None:
    """Follow the hints of this process."""
    hints.due = send
    hints.ended = tell
    hints.errand = run_errand


def send(job_ids: Sequence[UUID]) -> None:
    """Give jobs to the broker that were just scheduled; leave it to the keepers if that is much."""
    if current_app.conf.task_always_eager:
        eager.run(job_ids)
        return
    for start in range(0, min(len(job_ids), AT_ONCE), SLICE):
        if not broker.send_all_due(job_ids[start : start + SLICE]):
            return


def send_if_due(job_id: UUID) -> None:
    """Give a job to the broker that a person has just scheduled, if it is due now."""
    if not current_app.conf.task_always_eager:
        broker.send_if_due(job_id)
    elif Job.objects.due(timezone.now()).filter(pk=job_id).exists():
        eager.run([job_id])


def tell(job_ids: Sequence[UUID]) -> None:
    """Tell Celery's result backend of jobs that ended without running."""
    for job_id in job_ids:
        results.cancelled(job_id)


def run_errand(batch_id: UUID) -> None:
    """Release, or end, the members of a batch; leave it to the keepers if that takes long."""
    try:
        with connection.private(), connection.renewed():
            go_on_with(batch_id)
    except connection.OUTAGE as error:
        logger.warning("Batch is left to a keeper batch=%s error=%r", batch_id, error)


def go_on_with(batch_id: UUID) -> None:
    """Do some slices of an errand; all of them in eager mode, where nobody else would.

    Raises:
        OperationalError, InterfaceError: The database is away.
    """
    slices = count() if current_app.conf.task_always_eager else range(SLICES)
    for _ in slices:
        if not errands.go_on(batch_id, now=timezone.now()):
            return
        moments.reached("slice done")
