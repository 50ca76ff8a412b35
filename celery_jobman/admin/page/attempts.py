"""Attempts: each execution of the job, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models.functions import Right
from django.utils.translation import gettext as _

from celery_jobman.admin.access import Deed
from celery_jobman.admin.page.spans import TONES
from celery_jobman.admin.page.wire import visible
from celery_jobman.insight.wording import at, error, lasting
from celery_jobman.models import Attempt, Outcome, Trigger
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery_jobman.admin.page.regions import Subject

#: Attempts that are shown at once; the others unfold.
OPEN = 10
#: Most characters of a traceback, from its end; the log has all of it.
TRACEBACK_LENGTH = 20_000


class Run(NamedTuple):
    """An attempt as the table shows it."""

    number: int
    word: str
    tone: str
    trigger: str
    worker: str
    pid: int | None
    began: str
    ended: str
    took: str
    resumed: str = ""
    dropped: int = 0
    version: str = ""
    error: str = ""
    traceback: str = ""


def attempts(subject: Subject) -> dict[str, Any]:
    """Return the attempts; nothing before the first one begins."""
    runs = [*_running(subject), *_ended(subject)]
    if not runs:
        return {}
    older = runs[OPEN:]
    left = subject.attempts[-1].number - 1 if subject.attempts else 0
    return {
        "runs": runs[:OPEN],
        "older": older,
        "older_count": len(older),
        "left": left,
        "errors": subject.may(Deed.VIEW_LOG),
    }


def _running(subject: Subject) -> list[Run]:
    job = subject.job
    if job.state != State.RUNNING or job.started_at is None:
        return []
    worker = visible(subject.worker.hostname) if subject.worker else ""
    began, took = at(job.started_at), lasting(subject.now - job.started_at)
    word = str(State.RUNNING.label)
    trigger = _trigger(job.trigger)
    return [Run(job.attempt, word, "run", trigger, worker, job.pid, began, "", took)]


def _ended(subject: Subject) -> list[Run]:
    seen = subject.may(Deed.VIEW_LOG)
    tracebacks = _tracebacks(subject) if seen and subject.attempts else {}
    return [_run(row, tracebacks.get(row.number, ""), seen=seen) for row in subject.attempts]


def _run(row: Any, traceback: str, *, seen: bool) -> Run:
    return Run(
        number=row.number,
        word=str(Outcome(row.outcome).label),
        tone=TONES[Outcome(row.outcome)],
        trigger=_trigger(row.trigger),
        worker=visible(row.hostname),
        pid=row.pid,
        began=at(row.started_at),
        ended=at(row.finished_at),
        took=lasting(row.finished_at - row.started_at),
        resumed=visible(row.resumed_from),
        dropped=row.lines_dropped,
        version=visible(row.code_version),
        error=visible(error(row.error_class, row.error or "")) if seen else "",
        traceback=traceback,
    )


def _tracebacks(subject: Subject) -> dict[int, str]:
    """Return the ends of the newest tracebacks; those of older attempts are in the log."""
    oldest = subject.attempts[:OPEN][-1].number
    rows = Attempt.objects.filter(job_id=subject.job.pk, number__gte=oldest).order_by("number")
    rows = rows.exclude(outcome=Outcome.LOST)  # theirs is that of whoever found them
    ends = rows.exclude(traceback="").annotate(end=Right("traceback", TRACEBACK_LENGTH))
    return {number: "\n".join(_lines(end)) for number, end in ends.values_list("number", "end")}


def _lines(traceback: str) -> list[str]:
    # A blank at the start of a line is Python's, and means something.
    lines = traceback.splitlines()
    return [line[: len(line) - len(line.lstrip())] + visible(line) for line in lines]


def _trigger(value: str) -> str:
    return str(Trigger(value).label) if value in Trigger.values else _("Unknown")
