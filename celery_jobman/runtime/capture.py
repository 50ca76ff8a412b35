"""Capture: ordinary logging records become lines of the job that runs.

One handler hangs on the root logger and on ``celery.task`` (which does not propagate).  It
only appends to the running job's buffer; the supervisor writes.  Records are filtered by the
levels of the project's loggers first, as for every other handler: ``celery worker -l WARNING``
keeps INFO records from the root logger's handlers, this one included.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from threading import local
from typing import Any

from celery_jobman.conf import settings
from celery_jobman.core.encoding import clean
from celery_jobman.core.logs import Line
from celery_jobman.core.redaction import redacted
from celery_jobman.runtime import supervisor
from celery_jobman.runtime.running import RunningJob, current_job

#: Loggers whose records, made while a line is written, would make another line.
IGNORED = frozenset({"django.db.backends", "celery_jobman.supervisor"})

#: Marks a record that was looked at, for both loggers may hand it on.
SEEN = "_jobman_seen"
#: Largest level that the column holds.
HIGHEST_LEVEL = 32_767

#: What every record has; everything else on it is the caller's ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "data", "task_id", "task_name", SEEN,
}  # fmt: skip

_busy = local()


class JobHandler(logging.Handler):
    """Appends records to the buffer of the job that runs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record as a line, if a job runs here; never raises, never waits."""
        if record.name in IGNORED or getattr(_busy, "now", False) or hasattr(record, SEEN):
            return
        setattr(record, SEEN, True)  # celery.task propagates outside of workers
        job = current_job()
        if job is None:
            return
        _busy.now = True
        try:
            _keep(job, self._line(job, record))
        except Exception:  # noqa: BLE001 - logging must not break the task
            self.handleError(record)
        finally:
            _busy.now = False

    def _line(self, job: RunningJob, record: logging.LogRecord) -> Line:
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{logging.Formatter().formatException(record.exc_info)}"
        return Line(
            job.run.job_id,
            job.run.number,
            job.runner.around,
            datetime.fromtimestamp(record.created, UTC),
            max(0, min(record.levelno, HIGHEST_LEVEL)),
            clean(record.name, 200),
            clean(message, settings().log_line_length),
            _extra(record),
        )


def _keep(job: RunningJob, line: Line) -> None:
    limits = settings()
    job.lines_seen += 1
    if job.lines_seen > limits.log_lines or len(job.lines) >= limits.log_buffer:
        job.lines_dropped += 1
        return
    job.lines.append(line)
    if len(job.lines) >= limits.flush_lines:
        supervisor.hurry()


def _extra(record: logging.LogRecord) -> dict[str, Any] | None:
    added = vars(record).keys() - _STANDARD
    if not added:
        return None
    return redacted({clean(name, 100): _plain(getattr(record, name)) for name in sorted(added)})  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, dict):
        return {clean(str(key), 100): _plain(item) for key, item in list(value.items())[:100]}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:100]]
    return clean(str(value), 1000)


_handler = JobHandler()


def attach() -> None:
    """Hang the handler on the loggers, unless it hangs there."""
    for name in (None, "celery.task"):
        target = logging.getLogger(name)
        if _handler not in target.handlers:
            target.addHandler(_handler)
