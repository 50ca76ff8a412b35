"""Terms: when, where and how urgently a finished job runs again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from reprlib import repr as shorten
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from celery_jobman.core import priorities
from celery_jobman.models.job import NAME_LENGTH

if TYPE_CHECKING:
    from celery_jobman.models import Job

#: Options of a message that send it past its queue's name.
ROUTES: Final = frozenset({"exchange", "exchange_type", "routing_key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a retry changes beside the state; None leaves it as it is.

    Raises:
        ValueError: ``when`` is not aware or not in a year from 1000 to 9998, ``queue`` is no
            name of 1 to 255 printable characters, or ``priority`` is not from 0 to 255.
    """

    #: Not before this moment; a past one means now.
    when: datetime | None = None
    #: Send the message to this queue.
    queue: str | None = None
    #: Send it with this priority.
    priority: int | None = None

    def __post_init__(self) -> None:
        if self.when is not None:
            check_moment("the time of a retry", self.when)
        if self.queue is not None:
            check_queue(self.queue)
        if self.priority is not None:
            priorities.check(self.priority)

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


#: Moments between these are held by every database, in whatever time zone they are read.
EARLIEST: Final = datetime(1000, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9998, 12, 30, tzinfo=UTC)

#: Now, and all else as it was.
UNCHANGED: Final = Terms()


def check_queue(name: Any) -> None:
    """Refuse what cannot be a queue's name.

    Raises:
        ValueError: It is no text of 1 to 255 printable characters.
    """
    is_name = isinstance(name, str) and 0 < len(name) <= NAME_LENGTH
    if not (is_name and name.isprintable() and name.strip() == name):
        shown = shorten(name)
        raise ValueError(f"a queue's name has 1 to {NAME_LENGTH} printable characters, not {shown}")


def check_moment(what: str, when: datetime) -> None:
    """Refuse a moment that means something else elsewhere, or that some database cannot hold.

    Raises:
        ValueError: It is naive, or not in a year from 1000 to 9998; ``what`` names it.
    """
    if timezone.is_naive(when):
        raise ValueError(f"{what} must be aware, but {when!r} is naive; give it a time zone")
    if not EARLIEST <= when <= LATEST:
        raise ValueError(f"{what} must be in a year from 1000 to 9998, not {when.isoformat()}")


def _rerouted(message: str) -> str:
    """Return message options without an exchange and a key of their own."""
    options = json.loads(message)
    return json.dumps({name: value for name, value in options.items() if name not in ROUTES})
