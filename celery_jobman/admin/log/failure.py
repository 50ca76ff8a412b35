"""Failure: the error that ended a job or its last attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.utils.text import Truncator

from celery_jobman.admin.log.lines import plain
from celery_jobman.admin.log.tracebacks import frames
from celery_jobman.admin.routes import address
from celery_jobman.models.attempt import FAILURES

if TYPE_CHECKING:
    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Attempt, Job

#: Most characters of a message that are shown, and of a traceback, from its end.
MESSAGE_LENGTH, TRACEBACK_LENGTH = 10_000, 100_000


def context(subject: Subject) -> dict[str, Any]:
    """Return the error, its place in the project's code, and all of its traceback."""
    job = subject.job
    if not (job.error_class or job.error_message):
        return {}
    attempt = _failed_attempt(job)
    trace = plain(attempt.traceback[-TRACEBACK_LENGTH:]) if attempt else ""
    calls = frames(trace)
    return {
        "job": job,
        "error_class": plain(job.error_class),
        "error_message": Truncator(plain(job.error_message)).chars(MESSAGE_LENGTH),
        "attempt": attempt,
        # While the job goes on, it is the error of an attempt that is over.
        "earlier": attempt is not None and not job.is_final,
        "traceback": trace,
        "own_frames": [frame for frame in calls if not frame.is_library],
        "library_frames": [frame for frame in calls if frame.is_library],
        "whole": not calls,
        "alike_url": _alike(subject),
    }


def _failed_attempt(job: Job) -> Attempt | None:
    return job.attempts.filter(outcome__in=FAILURES).order_by("-number").first()


def _alike(subject: Subject) -> str:
    if not subject.job.fingerprint:
        return ""
    query = urlencode({"q": f"fingerprint:{subject.job.fingerprint}"})
    return f"{address(subject.admin, 'changelist')}?{query}"
