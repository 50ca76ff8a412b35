"""Comeback: links of Celery's own canvas wait again when a person retries what they follow.

See :mod:`celery_jobman.core.behind`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.core import renewal, transitions
from celery_jobman.core.behind import SLICE, rows_behind, slices, waiting
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Job
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

_BLOCKED, _SKIPPED = frozenset({State.BLOCKED}), frozenset({State.SKIPPED})
_READ = ("task", "label", "state", "attempt", "delivery", "stopped_by", "task_id")


def is_unsent(job: Job) -> bool:
    """Whether a job is a link of Celery's canvas whose turn has never come."""
    return job.batch_id is None and job.follows_id is not None and not job.delivery


def wait_again(job: Job, *, now: datetime) -> None:
    """Let a link wait again that was cancelled before its turn, and what it had stopped.

    Raises:
        TransitionRefused: What it follows will not publish it; the message says what to retry
            instead.  Nothing was written.
    """
    before_id = job.stopped_by or job.follows_id
    before = Job.objects.filter(pk__in=[before_id]).values_list("state", flat=True).first()
    if before is None or before in FINAL:
        was = f"which is {before}" if before else "which is gone"
        hint = f"it follows {before_id}, {was}: retry that one"
        raise TransitionRefused(job.id, "retried", job.state, hint)
    sources = FINAL & {State(job.state)}
    again: dict[str, Any] = {"cancel_requested_at": None, "stopped_by": None}
    if not transitions.try_move(job.id, State.BLOCKED, now=now, sources=sources, **again):
        raise transitions.refusal(job.id, "retried", "it has moved on, ask again")
    for ids in slices(waiting(job)):
        mine = {"stopped_by": job.id}
        transitions.move_all(
            ids, State.BLOCKED, now=now, sources=_SKIPPED, at=mine, stopped_by=None
        )


def reopen(job: Job, *, now: datetime, fresh: Callable[[Job], dict[str, Any]]) -> None:
    """Let everything behind a job wait again that a person retries, in that transaction.

    Celery's message of the job carries the rest of its chain, and so does what it leads to: all
    of it runs again, even what has run before.  Only the body of a chord, of which the job is
    but a part, does not: Celery has done with a chord that failed.

    Args:
        job: The job, as it was before.
        now: Aware datetime of the request.
        fresh: Returns the columns with which a job begins anew.

    Raises:
        JobNotFound: There is no such job.
        TransitionRefused: Something behind it has not ended, or has moved on.  The transaction
            is to be rolled back.
    """
    message = Job.objects.filter(pk=job.id).values_list("message", flat=True).first()
    if message is None:
        raise JobNotFound(job.id)
    rows = _rows(rows_behind(message, chords=False))
    again = list(_again(job, rows))
    begun = {row: fresh(row) for row in again if row.delivery}
    ids = {row.task_id: new["task_id"] for row, new in begun.items() if "task_id" in new}
    if begun:
        message = renewal.renewed(message, {str(row.id) for row in begun}, ids)
        Job.objects.filter(pk=job.id).update(message=message)
    for row, changes in begun.items():
        _block(row, now, {**changes, "task_id": ids.get(row.task_id, row.task_id)})
    _block_unsent([row for row in again if not row.delivery], now)
    renamed = [row for row in rows if not row.delivery and row.task_id in ids]
    for row in renamed:
        row.task_id = ids[row.task_id]
    Job.objects.bulk_update(renamed, ["task_id"], batch_size=SLICE)


def _block_unsent(rows: list[Job], now: datetime) -> None:
    for some in slices(rows):
        ids = [row.id for row in some]
        moved = transitions.move_all(
            ids, State.BLOCKED, now=now, sources=_SKIPPED, at={"delivery": 0}, stopped_by=None
        )
        if len(moved) != len(ids):
            raise transitions.refusal(some[0].id, "retried", "it has moved on, ask again")


def _rows(ids: list[str]) -> list[Job]:
    found: dict[str, Job] = {}
    for some in slices(ids):
        found |= {str(row.id): row for row in Job.objects.filter(pk__in=some).only(*_READ)}
    return [found[each] for each in ids if each in found]


def _again(job: Job, rows: Iterable[Job]) -> Iterator[Job]:
    """Yield the rows that wait again; what was cancelled by itself stays so, with its followers."""
    causes = {job.id}
    for row in rows:
        if row.state not in FINAL | _BLOCKED:
            hint = f"{row.id} after it is {row.state}: cancel that first, or wait for its end"
            raise TransitionRefused(job.id, "retried", job.state, hint)
        ran = row.state in {State.SUCCEEDED, State.FAILED}
        if ran or (row.state == State.SKIPPED and row.stopped_by in causes):
            causes.add(row.id)
            yield row


def _block(row: Job, now: datetime, fresh: dict[str, Any]) -> None:
    sources, at = FINAL & {State(row.state)}, {"attempt": row.attempt}
    if not transitions.try_move(
        row.id, State.BLOCKED, now=now, sources=sources, at=at, available_at=None, **fresh
    ):
        raise transitions.refusal(row.id, "retried", "it has moved on, ask again")
