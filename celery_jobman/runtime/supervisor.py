"""The supervisor: one thread beside the bodies of a process's jobs.

Every ``JOBMAN["FLUSH_EVERY"]`` it does in one wake-up what must happen while a body is busy:
write log lines in bulk, write the last progress, and (once a second) read whether the job was
cancelled or lost.  It sleeps while no job runs.  When the database is away it keeps what it
has, in bounded buffers, and tries again.

It leaves eager jobs alone.  They may run inside a transaction of their caller, as in a test,
which this thread's connection cannot see into.  They flush by themselves at their checkpoints
outside of transactions, and write the rest with their end.
"""

from __future__ import annotations

import logging
import os
import time
from threading import Event, Thread
from typing import TYPE_CHECKING

from django.db import connections
from django.utils import timezone

from celery_jobman.conf import settings
from celery_jobman.exceptions import ClaimLost, JobCancelled
from celery_jobman.runtime import arrears, connection, flushing, injection, running

if TYPE_CHECKING:
    from celery_jobman.runtime.running import RunningJob

logger = logging.getLogger("celery_jobman.supervisor")

#: Seconds between two looks at a job's cancel request.
ASK_EVERY = 1.0

_awake = Event()
_hurry = Event()
_retired = Event()
_thread: Thread | None = None
_pid = 0


def wake() -> None:
    """Make sure that the thread runs in this process (a fork has none) and looks around."""
    global _thread, _pid
    if _thread is None or _pid != os.getpid() or not _thread.is_alive():
        _awake.clear()
        _thread, _pid = Thread(target=_watch, name="jobman-supervisor", daemon=True), os.getpid()
        _thread.start()
    _awake.set()


def retire(seconds: float) -> None:
    """End the thread, if nothing is left to do, and wait for that as long; it can be woken anew."""
    if _thread is None or _pid != os.getpid() or not is_idle():
        return
    _retired.set()
    _hurry.set()
    _awake.set()
    _thread.join(seconds)
    _retired.clear()
    _hurry.clear()


def hurry() -> None:
    """Do not wait for the end of the flush period."""
    _hurry.set()


def _watch() -> None:
    running.disown_thread()
    while True:
        _awake.wait()
        if _retired.is_set():
            break
        _hurry.wait(settings().flush_every.total_seconds())
        _hurry.clear()
        _look_around()
        if is_idle():
            _awake.clear()
            if not is_idle() or _retired.is_set():
                _awake.set()
    connections.close_all()


def _look_around() -> None:
    for job in _attended():
        _attend(job)
    arrears.pay()


def _attended() -> list[RunningJob]:
    return [job for job in running.active() if not job.eager]


def is_idle() -> bool:
    """Whether no job of a worker runs in this process, and no end is owed."""
    return not _attended() and arrears.is_clear()


def _attend(job: RunningJob) -> None:
    with connection.private():
        try:
            if not _must_wait(job):
                flushing.flush(job)
                _look(job)
        except connection.OUTAGE as error:
            logger.debug("Database is away job=%s error=%r", job.id, error)
            connection.drop()
        except Exception:
            logger.exception("Supervisor could not attend to a job job=%s", job.id)
            connection.drop()


def _must_wait(job: RunningJob) -> bool:
    """SQLite has one writer: wait while the body holds a transaction open."""
    return job.connection.vendor == "sqlite" and job.connection.in_atomic_block


def _look(job: RunningJob) -> None:
    if time.monotonic() - job.news_at < ASK_EVERY:
        return
    job.ask()
    if job.stop is ClaimLost or (job.stop is JobCancelled and _patience_is_over(job)):
        injection.interrupt(job)


def _patience_is_over(job: RunningJob) -> bool:
    asked = job.cancel_requested_at
    return job.forced or bool(asked and timezone.now() - asked > settings().cancel_grace)
