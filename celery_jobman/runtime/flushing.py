"""Flushing: what a running job has collected goes to the database in bulk.

The supervisor does it while the body is busy.  On SQLite it may wait for the write lock for as
long as the body writes; there the body flushes by itself when it passes a checkpoint, so that
a line older than ``JOBMAN["FLUSH_EVERY"]`` is not lost with a process that is killed.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from django.utils import timezone

from celery_jobman.conf import settings
from celery_jobman.core import logs, progress
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.runtime.connection import OUTAGE

if TYPE_CHECKING:
    from collections import deque
    from contextlib import AbstractContextManager
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

    from celery_jobman.core.logs import Line
    from celery_jobman.core.progress import Progress
    from celery_jobman.core.steps import StepRunner
    from celery_jobman.exceptions import ControlFlow

logger = logging.getLogger("celery_jobman.supervisor")

#: Lines written by one statement at most.
BATCH = 1000


class Collector(Protocol):
    """A running job, as far as it collects what is to be written."""

    lines: deque[Line]
    #: Lines that could not be kept.
    lines_dropped: int
    #: So many of the first lines may be in the database: the connection broke meanwhile.
    unsure: int
    report: Progress | None
    runner: StepRunner
    #: The progress and the step that were written last.
    reported: tuple[Progress | None, str]
    in_body: bool
    stop: type[ControlFlow] | None
    flushed_at: float

    @property
    def id(self) -> UUID:
        """The job's id."""

    @property
    def attempt(self) -> int:
        """The number of the attempt that runs."""

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held by who writes."""

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """The connection that the body uses."""


def flush(job: Collector) -> None:
    """Write the lines and the progress that a job has collected.

    Raises:
        OperationalError, InterfaceError: The database is away; the job keeps its lines.  One
            that the database refuses is dropped and counted, and the others are written.
    """
    with job.lock:
        forget_written(job)
        batch = _take(job)
        try:
            logs.write(batch)
        except BaseException as error:
            if not (isinstance(error, Exception) and is_refusal(error)):
                job.lines.extendleft(reversed(batch))
                job.unsure = len(batch)
                raise
            logger.exception("Log lines were refused, each is written by itself job=%s", job.id)
            job.lines_dropped += logs.write_each(batch)
        _write_progress(job)
        job.flushed_at = time.monotonic()


def forget_written(job: Collector) -> None:
    """Let go of lines that were committed by a connection that broke before it could say so.

    Raises:
        OperationalError, InterfaceError: The database is away; the job keeps its lines.
    """
    if job.unsure and logs.is_there(job.lines[0]):  # they were written together, or not at all
        for _ in range(job.unsure):
            job.lines.popleft()
    job.unsure = 0


def flush_if_due(job: Collector) -> None:
    """Flush in the body's own thread, unless that was done a moment ago.

    Inside the body's transaction nothing is written: its rollback would take the lines along.
    """
    due = job.flushed_at + settings().flush_every.total_seconds()
    if time.monotonic() < due or job.connection.in_atomic_block:
        return
    try:
        flush(job)
    except OUTAGE as error:
        logger.debug("Database is busy job=%s error=%r", job.id, error)


def _take(job: Collector) -> list[Line]:
    count = min(len(job.lines), BATCH)
    return [job.lines.popleft() for _ in range(count)]


def _write_progress(job: Collector) -> None:
    now = (job.report, job.runner.current)
    if now == job.reported:
        return
    try:
        mine = progress.write(
            job.id, job.attempt, now=timezone.now(), report=job.report, step=job.runner.current
        )
    except Exception as error:
        if not is_refusal(error):
            raise
        logger.exception("Progress was refused, the next report is tried job=%s", job.id)
        mine = True
    if not mine and job.in_body:
        job.stop = ClaimLost
    job.reported = now
