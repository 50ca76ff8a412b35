"""Progress: how far a running job is, written a few times a second at most."""

from __future__ import annotations

import math
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from celery_jobman.core.attempts import is_ours
from celery_jobman.core.encoding import clean
from celery_jobman.models import Job

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


#: Largest number the columns hold.
LARGEST = 2**63 - 1


def _whole(name: str, value: object) -> int:
    if isinstance(value, int | float | Decimal) and math.isfinite(value):
        return int(value)
    msg = f"progress: {name} must be a finite number, not {value!r}"
    raise TypeError(msg)


def _stored(value: int) -> int:
    return max(-LARGEST, min(value, LARGEST))


#: The columns of a job that has nothing to report.
NOTHING: Final = MappingProxyType(
    {
        "progress_current": None,
        "progress_total": None,
        "progress_message": "",
        "progress_unit": "",
        "progress_at": None,
    }
)


class Progress(NamedTuple):
    """One report.  ``total`` is None when nobody knows it."""

    current: int
    total: int | None = None
    message: str = ""
    unit: str = ""
    #: The step that made it; empty when it was made outside of all steps, of the whole job.
    step: str = ""

    @classmethod
    def of(cls, current: int, total: int | None, message: str, unit: str) -> Progress:
        """Return a report of what a task said.

        Raises:
            TypeError: ``current`` or ``total`` is no number.
        """
        if type(current) is not int:
            current = _whole("current", current)
        if total is not None and type(total) is not int:
            total = _whole("total", total)
        return cls(current, total, message, unit)

    def is_over(self, step: str) -> bool:
        """Whether another step than the report's is running, so that it tells nothing more."""
        return bool(self.step and step) and not f"{step}/".startswith(f"{self.step}/")

    def columns(self, now: datetime, step: str = "") -> dict[str, object]:
        """Return the job's columns while ``step`` runs: this report, unless it is over."""
        if self.is_over(step):
            return dict(NOTHING)
        return {
            "progress_current": _stored(self.current),
            "progress_total": None if self.total is None else _stored(self.total),
            "progress_message": clean(str(self.message or ""), 200),
            "progress_unit": clean(str(self.unit or ""), 32),
            "progress_at": now,
        }


def write(job_id: UUID, number: int, *, now: datetime, report: Progress | None, step: str) -> bool:
    """Store the current step of a running attempt, and the last report if it is of that step.

    Returns:
        False when the attempt no longer holds the job.  Nothing was written.
    """
    columns = report.columns(now, step) if report else {}
    rows = Job.objects.filter(is_ours(job_id, number))
    return bool(rows.update(current_step=step, **columns))
