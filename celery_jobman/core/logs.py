"""Logs: lines of a job, written in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from celery_jobman.models import LogLine
from celery_jobman.models.database import atomic
from celery_jobman.models.database_errors import is_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID


class Line(NamedTuple):
    """One line, as the capture made it; the order of the columns is the model's."""

    job_id: UUID
    attempt: int
    step: str
    at: datetime
    level: int
    logger: str
    message: str
    extra: dict[str, Any] | None


def write(lines: Iterable[Line]) -> int:
    """Insert lines in their order; return how many.

    Lines are only added, and their ids grow in the order in which they are committed by one
    process; a tail reads on from the highest id it has seen.
    """
    rows = [LogLine(**line._asdict()) for line in lines]
    if rows:
        LogLine.objects.bulk_create(rows, batch_size=500)
    return len(rows)


def write_each(lines: Iterable[Line]) -> int:
    """Insert lines, each by itself; return how many the database refused.

    Raises:
        OperationalError, InterfaceError: The database is away, or busy.
    """
    refused = 0
    for line in lines:
        try:
            with atomic():
                write([line])
        except Exception as error:
            if not is_refusal(error):
                raise
            refused += 1
    return refused


def is_there(line: Line) -> bool:
    """Whether a line was written; asked where a connection broke while that was tried."""
    mine = LogLine.objects.filter(job_id=line.job_id, attempt=line.attempt)
    return mine.filter(at=line.at, message=line.message).exists()
