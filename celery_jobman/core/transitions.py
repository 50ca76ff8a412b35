"""The one place in the package that writes ``Job.state`` and ``Batch.state``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Case, F, Value, When
from django.db.models.functions import Cast

from celery_jobman.core import statements
from celery_jobman.core.statements import Insert, OneOf
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.models.database import atomic, using
from celery_jobman.states import FINAL, State, sources_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import Expression, Q

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


def move_all(
    job_ids: Sequence[UUID],
    to: State,
    *,
    now: datetime,
    sources: frozenset[State],
    at: Mapping[str, Any] = NOWHERE,
    **changes: Any,
) -> list[UUID]:
    """Move many jobs to ``to`` in one conditional UPDATE, those of them that may go there.

    Args:
        job_ids: Primary keys of the jobs.
        to: The state to enter.
        now: Aware datetime, written to ``finished_at`` when ``to`` is final.  It tells the
            jobs that this call moved from others: no two calls may use the same.
        sources: States the jobs may leave.
        at: Columns and the values they must still hold.
        **changes: Further columns, the same for all.

    Returns:
        Which jobs were moved; the others have moved on.
    """
    changes["finished_at"] = now if to in FINAL else None
    moved = _update_all(job_ids, to, sources, at, changes)
    if moved == len(job_ids):
        return list(job_ids)
    rows = Job.objects.filter(pk__in=job_ids)
    mine = rows.filter(state=to, **{"finished_at": None, **_stamps(changes)})
    return list(mine.values_list("pk", flat=True)) if moved else []


def move_every(  # noqa: PLR0913 - all but three are keywords
    job_ids: Sequence[UUID],
    to: State,
    verb: str,
    *,
    now: datetime,
    sources: frozenset[State],
    at: Mapping[str, Any] = NOWHERE,
    each: Mapping[str, Mapping[UUID, Any]] = NOWHERE,
    hint: str = "",
    **changes: Any,
) -> None:
    """Move many jobs to ``to`` in one conditional UPDATE, or say which of them may not go there.

    Args:
        job_ids: Primary keys of the jobs.
        to: The state to enter.
        verb: A past participle, for the error.
        now: Aware datetime, written to ``finished_at`` when ``to`` is final.
        sources: States the jobs may leave.
        at: Columns and the values they must still hold.
        each: Columns whose value differs, with the value of each job.
        hint: For the error: what to do instead.
        **changes: Further columns, the same for all.

    Raises:
        JobNotFound: One of them is gone.
        TransitionRefused: One of them has moved on.  The others may have been moved: the
            transaction is to be rolled back.
    """
    changes["finished_at"] = now if to in FINAL else None
    changes |= {name: _chosen(name, values) for name, values in each.items()}
    if _update_all(job_ids, to, sources, at, changes) < len(job_ids):
        there = Job.objects.filter(pk__in=job_ids, state=to).values_list("pk", flat=True)
        raise refusal(next(iter(set(job_ids) - set(there)), job_ids[0]), verb, hint)


def _update_all(
    job_ids: Sequence[UUID],
    to: State,
    sources: frozenset[State],
    at: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> int:
    allowed = sorted(sources & sources_of(to))
    rows = Job.objects.filter(pk__in=job_ids, state__in=allowed, **at)
    return rows.update(state=to, **statements.as_expressions(changes))


def _chosen(name: str, values: Mapping[UUID, Any]) -> Expression:
    """Return the expression that gives each job its own value."""
    field: Any = Job._meta.get_field(name)  # noqa: SLF001 - documented by Django
    cases = [When(pk=pk, then=Value(value, output_field=field)) for pk, value in values.items()]
    chosen = Case(*cases, output_field=field)
    is_typed = not connections[using()].features.requires_casted_case_in_updates
    return chosen if is_typed else Cast(chosen, output_field=field)


def _stamps(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that can be asked for: moments."""
    return {name: value for name, value in changes.items() if name.endswith("_at") and value}


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


def hold_batches(batch_ids: Collection[UUID]) -> None:
    """Lock batches by their keys until the end of the transaction, where that is needed.

    MySQL and MariaDB may find a row by an index on ``state`` or ``finished_at``, where a
    statement names those beside the key, and lock the entry there before the row.  Meanwhile
    who has locked the row, to count a member, may be about to change the entry, to close the
    batch: a deadlock.  So whatever changes a batch begins at the row.
    """
    if connections[using()].vendor == "mysql":
        rows = Batch.objects.select_for_update().filter(pk__in=batch_ids)
        list(rows.order_by("pk").values_list("pk"))


def open_batches(batch_ids: Sequence[UUID], *, now: datetime) -> int:
    """Let blocked batches begin, whose first links are to be released; return how many."""
    hold_batches(batch_ids)
    waiting = Batch.objects.filter(pk__in=batch_ids, state=State.BLOCKED, stopping=Stopping.NOT)
    return waiting.update(state=State.RUNNING, opening=True, started_at=now)


def close_batch(batch_id: UUID, to: State, *, now: datetime, **changes: Any) -> bool:
    """Finish a batch of which nothing is pending.

    Args:
        batch_id: Primary key of the batch.
        to: The final state to enter.
        now: Aware datetime written to ``finished_at``.
        **changes: Further columns written by the same statement.

    Returns:
        False when something is pending, or it had finished: nothing was written.
    """
    hold_batches([batch_id])
    unfinished = Batch.objects.filter(pk=batch_id, pending=0, finished_at__isnull=True)
    changes |= {"opening": False, "finishes": F("finishes") + 1}
    return bool(unfinished.update(state=to, finished_at=now, **changes))


def reopen_batch(batch: Batch, to: State, **changes: Any) -> bool:
    """Let a batch go on that has finished, if it is still as it was read.

    Args:
        batch: The batch, as it was read; one that has not finished keeps its state.
        to: Running, or blocked when it has to wait again.
        **changes: Further columns written by the same statement.

    Returns:
        Whether it was still so.  False: nothing was written.
    """
    hold_batches([batch.pk])
    kept = ("finishes", "stopping", "cancelled", "skipped")
    same = Batch.objects.filter(pk=batch.pk, **{name: getattr(batch, name) for name in kept})
    if not batch.is_final:
        return bool(same.filter(finished_at__isnull=True).update(**changes))
    ended = same.filter(finished_at__isnull=False)
    return bool(ended.update(state=to, finished_at=None, **changes))
