"""Endings: how one execution of a job ended, and where the job goes from there.

Pure values: nothing here reads or writes the database.
"""

from __future__ import annotations

import hashlib
import traceback as tracebacks
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery_jobman.core.encoding import clean
from celery_jobman.models.attempt import FAILURES

if TYPE_CHECKING:
    from uuid import UUID

    from celery_jobman.core.joins import Member
    from celery_jobman.core.standins import StandIn
    from celery_jobman.models import Outcome
    from celery_jobman.states import State

#: Longest error message and traceback kept, in characters.
MESSAGE_LENGTH = 10_000
TRACEBACK_LENGTH = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What went wrong, ready for the database."""

    error_class: str = ""
    error_message: str = ""
    traceback: str = ""
    fingerprint: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        """Describe an exception that was caught."""
        name = type(error).__qualname__
        module = type(error).__module__
        full = name if module == "builtins" else f"{module}.{name}"
        return cls(
            error_class=full[:200],
            error_message=clean(_message(error), MESSAGE_LENGTH),
            traceback=clean("".join(tracebacks.format_exception(error)), TRACEBACK_LENGTH),
            fingerprint=_fingerprint(full, error),
        )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the failure
        return "(its message could not be read)"


def _fingerprint(name: str, error: BaseException) -> str:
    frames = tracebacks.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].name}" if frames else ""
    return hashlib.sha256(f"{name}|{place}".encode()).hexdigest()[:32]


#: No error.
CLEAN = Fault()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a job: who runs it, and since when."""

    job_id: UUID
    task: str
    number: int
    started_at: datetime
    worker_id: UUID | None = None
    hostname: str = ""
    pid: int | None = None
    trigger: str = "automatic"
    code_version: str = ""
    #: As its batch sees it, if it is a member of one.
    member: Member | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended."""

    outcome: Outcome
    to: State
    fault: Fault = CLEAN
    #: For ``scheduled``: when the next attempt may begin.
    available_at: datetime | None = None
    #: Further columns of the job, such as ``result`` or ``completed_code``.
    changes: dict[str, Any] = field(default_factory=dict)
    resumed_from: str = ""
    lines_dropped: int = 0
    #: A success from which Celery's own canvas does not go on (``Ignore``).
    halts: bool = False
    #: What takes the place of the job in its workflow from now on (``self.replace``).
    stand_in: StandIn | None = None

    @property
    def counts(self) -> bool:
        """Whether the run counts against ``max_attempts``."""
        return self.outcome in FAILURES


def delay_of(backoff: Any, failures: int) -> timedelta:
    """Return the wait before the next attempt.

    Args:
        backoff: Seconds, a timedelta, a list of them (the last repeats) or a function that
            is given the number of failures so far and returns one of those.
        failures: Attempts that have failed so far, at least 1.
    """
    if callable(backoff):
        return delay_of(backoff(failures), failures)
    if isinstance(backoff, list | tuple):
        return delay_of(backoff[min(failures, len(backoff)) - 1] if backoff else 0, failures)
    return backoff if isinstance(backoff, timedelta) else timedelta(seconds=backoff or 0)
