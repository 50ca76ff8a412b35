"""Progress: how far a running job is, written a few times a second at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from celery_jobman.core.attempts import is_ours
from celery_jobman.models import Job

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class Progress(NamedTuple):
    """One report.  ``total`` is None when nobody knows it."""

    current: int
    total: int | None = None
    message: str = ""
    unit: str = ""

    def columns(self, now: datetime) -> dict[str, object]:
        """Return the job's columns that hold this report."""
        return {
            "progress_current": self.current,
            "progress_total": self.total,
            "progress_message": self.message[:200].replace("\x00", ""),
            "progress_unit": self.unit[:32],
            "progress_at": now,
        }


def write(job_id: UUID, number: int, *, now: datetime, report: Progress | None, step: str) -> bool:
    """Store the last report and the current step of a running attempt.

    Returns:
        False when the attempt no longer holds the job.  Nothing was written.
    """
    columns = report.columns(now) if report else {}
    rows = Job.objects.filter(is_ours(job_id, number))
    return bool(rows.update(current_step=step, **columns))
