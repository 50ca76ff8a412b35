"""Terms: when, where and how urgently a finished job runs again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from celery_jobman.core.priorities import HIGHEST
from celery_jobman.models.job import NAME_LENGTH

if TYPE_CHECKING:
    from datetime import datetime

    from celery_jobman.models import Job

#: Options of a message that send it past its queue's name.
ROUTES: Final = frozenset({"exchange", "exchange_type", "routing_key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a retry changes beside the state; None leaves it as it is.

    Raises:
        ValueError: ``when`` is not aware, ``queue`` is no name of 1 to 255 printable
            characters, or ``priority`` is not from 0 to 255.
    """

    #: Not before this moment; a past one means now.
    when: datetime | None = None
    #: Send the message to this queue.
    queue: str | None = None
    #: Send it with this priority.
    priority: int | None = None

    def __post_init__(self) -> None:
        if self.when is not None and timezone.is_naive(self.when):
            raise ValueError(f"the time of a retry must be aware, but {self.when!r} is naive")
        if self.queue is not None and not _is_name(self.queue):
            raise ValueError(
                f"a queue's name has 1 to {NAME_LENGTH} printable characters, not {self.queue!r}"
            )
        if self.priority is not None and not 0 <= self.priority <= HIGHEST:
            raise ValueError(f"a priority is a number from 0 to {HIGHEST}, not {self.priority}")

    def columns(self, job: Job, now: datetime) -> dict[str, Any]:
        """Return the new values of a job's columns."""
        columns: dict[str, Any] = {"available_at": max(self.when or now, now)}
        if self.priority is not None:
            columns["priority"] = self.priority
        if self.queue is not None and self.queue != job.queue:
            columns["queue"] = self.queue
            columns["message"] = _rerouted(job.message)
        return columns

    def changes(self, job: Job, now: datetime) -> dict[str, Any]:
        """Return what the audit keeps of them: ``{"column": [before, after]}``."""
        changes: dict[str, Any] = {}
        if self.when is not None and self.when > now:
            changes["available_at"] = [None, self.when.isoformat()]
        if self.queue is not None and self.queue != job.queue:
            changes["queue"] = [job.queue, self.queue]
        if self.priority is not None and self.priority != job.priority:
            changes["priority"] = [job.priority, self.priority]
        return changes


#: Now, and all else as it was.
UNCHANGED: Final = Terms()


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_LENGTH and text.isprintable() and text.strip() == text


def _rerouted(message: str) -> str:
    """Return message options without an exchange and a key of their own."""
    options = json.loads(message)
    return json.dumps({name: value for name, value in options.items() if name not in ROUTES})
