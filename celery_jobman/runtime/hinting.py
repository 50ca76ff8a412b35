"""Hinting: this process does at once what its own commits have made possible.

See :mod:`celery_jobman.core.hints`.  In Celery's eager mode nothing is sent: the jobs run here.

Whoever cancels a batch of a hundred thousand waits for the mark, and for a moment in which a
batch of some hundreds is ended altogether; the rest is left to the keepers of the workers.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from celery import current_app
from django.utils import timezone

from celery_jobman.core import errands, moments
from celery_jobman.core.batches import AT_ONCE
from celery_jobman.core.hints import hints
from celery_jobman.models import Job
from celery_jobman.runtime import broker, connection, eager, results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

logger = logging.getLogger("celery_jobman")

#: Jobs that are sent with one UPDATE.
SLICE = 500
#: Members that are ended in one go where Celery's result backend is told of each by itself.
SMALL_SLICE = 50
#: Seconds that a process spends on the batches of one hint; the rest is left to the keepers.
MOMENT = 0.5


class _Clock(threading.local):
    """Until when this thread goes on with batches; nested hints share that."""

    until: float | None = None


_clock = _Clock()


def install() -> None:
    """Follow the hints of this process."""
    hints.due = send
    hints.ended = tell
    hints.errand = run_errand
    hints.gone = results.cancelled_job
    hints.stood_in = results.stood_in


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
    results.all_cancelled(job_ids)


def run_errand(batch_id: UUID) -> None:
    """Release, or end, the members of a batch; leave it to the keepers if that takes long."""
    if is_over():
        return
    try:
        with connection.private(), connection.renewed(), moment():
            go_on_with(batch_id)
    except connection.OUTAGE as error:
        logger.warning("Batch is left to a keeper batch=%s error=%r", batch_id, error)


def go_on_with(batch_id: UUID) -> bool:
    """Do a slice of an errand, and further ones until the :func:`moment` is over.

    Returns:
        Whether there may be more to do.

    Raises:
        OperationalError, InterfaceError: The database is away.
    """
    limit = SLICE if results.is_quick() else SMALL_SLICE
    while errands.go_on(batch_id, now=timezone.now(), limit=limit):
        moments.reached("slice done")
        if is_over():
            return True
    return False


@contextmanager
def moment(seconds: float | None = None) -> Iterator[None]:
    """Let the errands of this block, and what they hint at, take so long; :data:`MOMENT` if None.

    Inside another one, that one counts.  In eager mode it never ends, for nobody else would go on.
    """
    outer = _clock.until
    if outer is None:
        is_eager = current_app.conf.task_always_eager
        length = MOMENT if seconds is None else seconds
        _clock.until = math.inf if is_eager else time.monotonic() + length
    try:
        yield
    finally:
        _clock.until = outer


def is_over() -> bool:
    """Whether the moment is over that this thread is in; False outside of one."""
    return _clock.until is not None and time.monotonic() >= _clock.until
