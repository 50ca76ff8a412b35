"""The one place in the package that writes ``Job.state``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q

from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Job
from celery_jobman.states import FINAL, State, sources_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

#: No condition beyond the state.
ANYTHING = Q()


def try_move(
    job_id: UUID,
    to: State,
    *,
    now: datetime,
    sources: frozenset[State] | None = None,
    guard: Q = ANYTHING,
    **changes: Any,
) -> bool:
    """Move a job to ``to`` in one conditional UPDATE, if it may go there.

    Two processes may ask at once; the database lets exactly one through, because the
    statement names the states it may leave.  No lock is taken and nothing is read first.

    Args:
        job_id: Primary key of the job.
        to: The state to enter.
        now: Aware datetime written to ``finished_at`` when ``to`` is final.
        sources: States the job may leave, fewer than the state machine allows if wanted.
        guard: A further condition on the row, such as the attempt it must be at.
        **changes: Further column values written by the same statement.

    Returns:
        Whether the row matched.  False: nothing was written, because the job is missing, has
        moved on, or does not meet ``guard``.
    """
    allowed = sources_of(to) if sources is None else sources & sources_of(to)
    changes["finished_at"] = now if to in FINAL else None
    rows = Job.objects.filter(guard, pk=job_id, state__in=sorted(allowed))
    return bool(rows.update(state=to, **changes))


def move(
    job_id: UUID,
    to: State,
    verb: str,
    *,
    now: datetime,
    sources: frozenset[State] | None = None,
    guard: Q = ANYTHING,
    **changes: Any,
) -> None:
    """Move a job as :func:`try_move` does, or say why not.

    Raises:
        JobNotFound: There is no such job.
        TransitionRefused: Its state does not lead to ``to``, or ``guard`` does not hold.
            ``verb`` (a past participle) completes the sentence.  Nothing was written.
    """
    if not try_move(job_id, to, now=now, sources=sources, guard=guard, **changes):
        raise refusal(job_id, verb)


def refusal(job_id: UUID, verb: str, hint: str = "") -> JobNotFound | TransitionRefused:
    """Return the error that explains why a job could not be moved."""
    state = Job.objects.filter(pk=job_id).values_list("state", flat=True).first()
    if state is None:
        return JobNotFound(job_id)
    return TransitionRefused(job_id, verb, state, hint)
