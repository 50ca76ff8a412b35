"""Endings: how one execution of a job ended, and where the job goes from there.

Pure values: nothing here reads or writes the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery_jobman.core.encoding import clean
from celery_jobman.core.faults import CLEAN, Fault, named
from celery_jobman.models.attempt import FAILURES, Outcome
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from celery_jobman.core.joins import Member
    from celery_jobman.core.standins import StandIn


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


#: Columns that only say how far a job was.
_REPORTED = ("current_step", "progress_")
#: Longest refusal that is kept in place of what was refused.
_REFUSAL_LENGTH = 500


def lesser(ending: Ending, refusal: Exception, *, is_taken: bool) -> Iterator[tuple[Ending, str]]:
    """Yield endings that say less and less, for one that the database refused.

    Args:
        ending: What was refused.
        refusal: What the database said.
        is_taken: Others wait for the job's result.

    Yields:
        An ending, and in words what it lacks.  A success whose result others wait for, and an
        attempt whose next one cannot be written, become failures.
    """
    kept = {k: v for k, v in ending.changes.items() if not k.startswith(_REPORTED)}
    yield replace(ending, changes=kept), "its progress"
    if ending.to == State.SUCCEEDED and not is_taken:
        yield replace(ending, changes={}), "its result"
    elif ending.to == State.CANCELLED:
        yield replace(ending, changes={}, fault=CLEAN), "its error"
    elif ending.to != State.FAILED:
        failed = Fault.of(refusal)
        what = "its result" if ending.to == State.SUCCEEDED else "its next attempt"
        outcome = Outcome.FAILED if ending.to == State.SUCCEEDED else ending.outcome
        yield Ending(outcome=outcome, to=State.FAILED, fault=failed), what
    else:
        yield replace(ending, changes={}, fault=_unstored(ending.fault, refusal)), "its error"
    yield bare(ending, is_taken=is_taken), "its result, progress and error"


def _unstored(fault: Fault, refusal: Exception) -> Fault:
    """Return a fault of which only the class is kept."""
    why = clean(named(refusal), _REFUSAL_LENGTH)
    text = f"its message could not be stored: {why}"
    return Fault(error_class=clean(fault.error_class, 200), error_message=text)


def bare(ending: Ending, *, is_taken: bool) -> Ending:
    """Return an ending that holds nothing of the task's own."""
    to = ending.to
    if to not in FINAL or (to == State.SUCCEEDED and is_taken):
        to = State.FAILED
    outcome = Outcome.FAILED if to == State.FAILED != ending.to else ending.outcome
    words = "its end could not be stored" if to == State.FAILED else ""
    return Ending(outcome=outcome, to=to, fault=Fault(error_message=words))


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
