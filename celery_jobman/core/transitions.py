"""The one place in the package that writes ``Job.state``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from celery_jobman.core import statements
from celery_jobman.core.statements import Insert, OneOf
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Job
from celery_jobman.models.database import atomic, using
from celery_jobman.states import FINAL, State, sources_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from django.db.models import Q

#: No condition beyond the state.
NOWHERE: Mapping[str, Any] = MappingProxyType({})


def try_move(  # noqa: PLR0913 - the guard is the point; all but two are keywords
    job_id: UUID,
    to: State,
    *,
    now: datetime,
    sources: frozenset[State] | None = None,
    at: Mapping[str, Any] = NOWHERE,
    guard: Q | None = None,
    along: Insert | None = None,
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
        at: Columns and the values they must still hold, such as the attempt.
        guard: A further condition on the row, for the rare one that ``at`` cannot say.
        along: A row that is inserted if, and only if, the job moves.
        **changes: Further column values written by the same statement; a
            :class:`~celery_jobman.core.statements.Plus` adds.

    Returns:
        Whether the row matched.  False: nothing was written, because the job is missing, has
        moved on, or does not meet ``at`` and ``guard``.
    """
    allowed = sources_of(to) if sources is None else sources & sources_of(to)
    changes["finished_at"] = now if to in FINAL else None
    where = {"id": job_id, "state": OneOf(tuple(sorted(allowed))), **at}
    if guard is None:
        return bool(statements.update(Job, where, {**changes, "state": to}, along))
    with atomic():
        rows = Job.objects.filter(guard, pk=job_id, state__in=sorted(allowed))
        rows = rows.filter(**statements.as_lookups(at))
        moved = bool(rows.update(state=to, **statements.as_expressions(changes)))
        if moved and along is not None:
            statements.insert(using(), along.model, along.columns)
    return moved


def move(
    job_id: UUID,
    to: State,
    verb: str,
    *,
    now: datetime,
    sources: frozenset[State] | None = None,
    at: Mapping[str, Any] = NOWHERE,
    **changes: Any,
) -> None:
    """Move a job as :func:`try_move` does, or say why not.

    Raises:
        JobNotFound: There is no such job.
        TransitionRefused: Its state does not lead to ``to``, or ``at`` does not hold.
            ``verb`` (a past participle) completes the sentence.  Nothing was written.
    """
    if not try_move(job_id, to, now=now, sources=sources, at=at, **changes):
        raise refusal(job_id, verb)


def refusal(job_id: UUID, verb: str, hint: str = "") -> JobNotFound | TransitionRefused:
    """Return the error that explains why a job could not be moved."""
    state = Job.objects.filter(pk=job_id).values_list("state", flat=True).first()
    if state is None:
        return JobNotFound(job_id)
    return TransitionRefused(job_id, verb, state, hint)
