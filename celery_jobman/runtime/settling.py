"""Settling: the end of an attempt is written, and with it what follows; patiently, or later."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from celery.exceptions import Ignore
from django.utils import timezone

from celery_jobman.core import attempts, moments
from celery_jobman.core.fallbacks import NotWritten
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Attempt, Outcome
from celery_jobman.runtime import arrears, connection, returns, supervisor
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from celery_jobman.core.endings import Ending
    from celery_jobman.runtime.canvas import Following
    from celery_jobman.runtime.running import RunningJob

logger = logging.getLogger("celery_jobman")


def settle(job: RunningJob, ending: Ending, following: Following | None = None) -> State:
    """End the attempt in the database, and write what follows it there.

    While the database is away the end is owed: it is written when the database is back.  An end
    that is refused down to the last column is owed, too, and noted as a trouble of the job.

    Returns:
        Where the job went: where ``ending`` says, or cancelled if that was asked for.

    Raises:
        celery.exceptions.Ignore: The attempt no longer holds the job.  Nothing was written.
        Exception: An eager job's end was refused.  Nothing was written.
    """
    moments.reached("finishing")
    full = _complete(job, ending)
    to = full.to
    try:
        with connection.private(), job.lock:
            to = connection.patiently(lambda: _finish_somehow(job, full, following), "finish")
    except ClaimLost:
        logger.warning("Attempt lost its claim job=%s attempt=%s", job.id, job.attempt)
        raise Ignore("the job runs elsewhere") from None
    except Exception:
        if job.eager:  # its caller's transaction is broken, and nobody comes back to it
            raise
        logger.exception("End of an attempt could not be written yet job=%s", job.id)
        arrears.owe(partial(_finish_somehow, job, full, following), job.id)
        _take_over(following)
        supervisor.wake()
    moments.reached("finished")
    return to


def settle_late(job: RunningJob, ending: Ending) -> None:
    """Write the end of an attempt whose message Celery has put aside long ago."""
    _finish_somehow(job, _complete(job, ending))


def _finish_somehow(job: RunningJob, ending: Ending, following: Following | None = None) -> State:
    """End the attempt; what follows is left to Celery where it cannot be written."""
    try:
        return _finish(job, ending, following)
    except NotWritten:
        logger.exception("What follows could not be written and is left to Celery job=%s", job.id)
        return _finish(job, ending)


def _complete(job: RunningJob, ending: Ending) -> Ending:
    step = "" if ending.to == State.SUCCEEDED else job.runner.stopped_in
    progress = job.report.columns(timezone.now(), step) if job.report else {}
    changes = {"current_step": step, **progress, **ending.changes}
    return replace(ending, changes=changes, resumed_from=job.runner.resumed_from)


def _finish(job: RunningJob, ending: Ending, following: Following | None = None) -> State:
    ending = replace(ending, lines_dropped=job.lines_dropped)  # some may be of this very outage
    now, lines = timezone.now(), job.last_lines()
    also = following.write if following else None
    try:
        to = attempts.finish(job.run, ending, now=now, lines=lines, following=also).to
    except ClaimLost:
        to = _written(job, ending)
    job.lines.clear()
    _take_over(following)
    returns.write_remarks(job)
    return to


def _take_over(following: Following | None) -> None:
    if following is not None:
        following.take_over()


def _written(job: RunningJob, ending: Ending) -> State:
    """Return where an end led that was written although its connection broke during COMMIT.

    Who takes a job back writes the row of its attempt too, with an outcome of its own.

    Raises:
        ClaimLost: Somebody else ended the attempt.
    """
    mine = Attempt.objects.filter(job_id=job.id, number=job.attempt, pid=job.run.pid)
    mine = mine.filter(worker_id=job.run.worker_id, started_at=job.run.started_at)
    outcome = mine.values_list("outcome", flat=True).first()
    if outcome == ending.outcome:
        return ending.to
    if outcome == Outcome.CANCELLED and ending.to not in FINAL:  # it did not wait any more
        return State.CANCELLED
    raise ClaimLost
