"""Behind: the links of Celery's own canvas that wait for a job, and what becomes of them.

When a job is published that carries links of a chain, each of them has a row from then on,
*blocked*, and its signature in the message names that row.  So a job's message says what waits
behind it, and nobody counts anything: Celery, or :mod:`celery_jobman.runtime.canvas`, publishes
a link when its turn has come, and then its row **arrives** and becomes the job.  When a job
ends so that Celery will never publish them, what waits behind it is skipped in the transaction
of that end; when a person retries that job, it waits again (:mod:`celery_jobman.core.comeback`).

A row that has not arrived was never sent: its ``delivery`` is 0.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from celery_jobman.core import hints, jobs, transitions
from celery_jobman.models import Job
from celery_jobman.models.database import using
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

#: The option of a signature that names its row.
KEY = "jobman_row"
#: Where a row that waits keeps the ids of the links after it, if there are several.
NEXT = "jobman_next"
#: Signatures that consist of others.
COMPOSED = frozenset({"celery.chain", "celery.group", "celery.chord"})
#: What of a message ties its job to others: what waits behind it, and who counts its end.
BINDINGS = ("chain", "chord", "group_id", "group_index", NEXT)
#: What of a message is called when its job has ended.
CALLBACKS = ("link", "link_error")
#: Rows moved by one statement.
SLICE = 500
#: What a link that arrives has, and its row had not: the result that it takes, and whatever
#: Celery has added to its call.
COLUMNS = (
    "args", "kwargs", "preview", "queue", "priority", "message", "available_at", "expires_at",
    "queued_at", "retries", "label", "parent_id", "group_id", "next_id", "delivery",
)  # fmt: skip

_BLOCKED, _SKIPPED = frozenset({State.BLOCKED}), frozenset({State.SKIPPED})


def rows_in(signature: Any, *, chords: bool = True) -> Iterator[str]:
    """Yield the ids of the rows that a signature names, in it and in what hangs on it.

    Args:
        signature: As Celery's messages carry it, or a list of such.
        chords: Look into the bodies of the chords, too, of which it is but a part.
    """
    if isinstance(signature, list | tuple):
        for each in signature:
            yield from rows_in(each, chords=chords)
    elif isinstance(signature, dict):
        options = signature.get("options") or {}
        if KEY in options:
            yield options[KEY]
        yield from rows_in(parts_of(signature), chords=chords)
        yield from rows_after(options, chords=chords)


def parts_of(signature: Mapping[str, Any]) -> list[Any]:
    """Return the signatures, or lists of such, that a signature consists of, in order."""
    if str(signature.get("task")) not in COMPOSED:
        return []
    kwargs = signature.get("kwargs") or {}
    return [kwargs[name] for name in ("tasks", "header", "body") if kwargs.get(name)]


def rows_after(options: Mapping[str, Any], *, chords: bool = True) -> Iterator[str]:
    """Yield the ids of the rows that what follows a call names, by the call's options, in order."""
    chain = list(reversed(options.get("chain") or ()))  # Celery keeps it in reverse
    parts = [chain, options.get("link"), options.get("chord") if chords else None]
    yield from rows_in(parts, chords=chords)


def alone(message: str) -> str:
    """Return a job's message for a job like it that no workflow waits for.

    Nothing waits behind that job, no chord counts it, and its callbacks are calls of their own.
    """
    options = {k: v for k, v in json.loads(message).items() if k not in BINDINGS}
    return json.dumps({k: _unnamed(v) if k in CALLBACKS else v for k, v in options.items()})


def _unnamed(given: Any) -> Any:
    """Return a signature, or a list of such, that names neither a row nor a task's id."""
    if isinstance(given, list):
        return [_unnamed(each) for each in given]
    if not isinstance(given, dict) or "task" not in given:
        return given
    carried = {*CALLBACKS, *BINDINGS}
    options = {
        k: _unnamed(v) if k in carried else v
        for k, v in (given.get("options") or {}).items()
        if k not in {KEY, "task_id"}
    }
    kwargs = given.get("kwargs") or {}
    if given["task"] in COMPOSED:
        kwargs = {k: _unnamed(v) for k, v in kwargs.items()}
    return {**given, "kwargs": kwargs, "options": options}


def rows_behind(message: str, *, chords: bool = True) -> list[str]:
    """Return the ids of the rows that wait for the job of this message, in order."""
    return list(dict.fromkeys(rows_after(json.loads(message), chords=chords)))


def arrive(job: Job, *, now: datetime) -> bool:
    """Turn the row of a link into the job that Celery publishes now.

    Args:
        job: The call as it was composed, with the row's id; it takes over what only the row
            knows.
        now: Aware datetime of the publish.

    Returns:
        Whether its message is to be sent.  False: the link was cancelled while it waited, and
        only notes what it would have been called with; or it will be sent by a dispatcher.

    Raises:
        DatabaseUnwritable: The database refused it.
    """
    job.delivery = 1
    job.queued_at = now if job.available_at is None else None
    with jobs.writing(job.task):
        return _move(job, now, attempt=0, delivery=0) or _arrive_late(job, now)


def _move(job: Job, now: datetime, *, attempt: int, delivery: int) -> bool:
    to = State.QUEUED if job.available_at is None else State.SCHEDULED
    at = {"attempt": attempt, "delivery": delivery}
    return transitions.try_move(job.id, to, now=now, sources=_BLOCKED, at=at, **_columns(job))


def _columns(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in COLUMNS}


def _arrive_late(job: Job, now: datetime) -> bool:
    row = Job.objects.filter(pk=job.id).only("state", "attempt", "delivery", "task_id").first()
    state = row.state if row is not None else None
    if row is not None and state == State.BLOCKED:  # it ran before
        job.task_id, job.attempt, job.delivery = row.task_id, row.attempt, row.delivery + 1
        return _move(job, now, attempt=row.attempt, delivery=row.delivery)
    if state == State.CANCELLED:
        Job.objects.filter(pk=job.id, state=state, delivery=0).update(**_columns(job))
        return False
    if state == State.SKIPPED:
        _revive(job, now)
        return False
    if row is not None:  # it is called once more
        job.id = uuid7()
    jobs.enqueue(job, now=now)
    return True


def _revive(job: Job, now: datetime) -> None:
    """Celery has found a way to publish a link that seemed to have no chance."""
    columns = {**_columns(job), "available_at": job.available_at or now, "stopped_by": None}
    if transitions.try_move(job.id, State.SCHEDULED, now=now, sources=_SKIPPED, **columns):
        hints.due([job.id])


def skip(job_id: UUID, *, now: datetime, tell: bool) -> None:
    """Skip what waits behind a job that Celery will not go on from, in the transaction of its end.

    Args:
        job_id: The job.
        now: Aware datetime of its end.
        tell: Celery does not tell its result backend of the links by itself.
    """
    job = Job.objects.only("message", "delivery", "next_id").get(pk=job_id)
    moved: list[UUID] = []
    for ids in slices(waiting(job)):
        moved += transitions.move_all(
            ids, State.SKIPPED, now=now, sources=_BLOCKED, stopped_by=job_id
        )
    if moved:
        jobs.announce_ends(moved, State.SKIPPED)
    if moved and (tell or not job.delivery):
        hints.ended(moved)


def forget(ids: list[str]) -> None:
    """Delete the rows of links that nobody would learn the fate of."""
    for some in slices(ids):
        rows = Job.objects.filter(pk__in=some, state=State.BLOCKED, delivery=0)
        rows._raw_delete(using())  # noqa: SLF001 - nothing hangs on them, and nobody is to be told


def waiting(job: Job) -> list[str]:
    """Return the rows behind a job; if it is a link that waits itself, by going from row to row."""
    found = dict.fromkeys(rows_behind(job.message))
    new = [] if job.delivery else _next_of(job)
    while new:
        found |= dict.fromkeys(new)
        rows = Job.objects.filter(pk__in=new).only("message", "next_id")
        new = []
        for row in rows:
            found |= dict.fromkeys(rows_behind(row.message))
            new += [each for each in _next_of(row) if each not in found and each not in new]
    return list(found)


def _next_of(row: Job) -> list[str]:
    several: list[str] = json.loads(row.message).get(NEXT, [])
    return several or ([str(row.next_id)] if row.next_id else [])


def with_next(message: str, ids: list[str]) -> str:
    """Return the message of a row that several links follow, which are all noted in it."""
    return json.dumps({**json.loads(message), NEXT: ids})


def slices(ids: list[Any]) -> Iterator[list[Any]]:
    """Yield ids, so many at a time as one statement may move."""
    for start in range(0, len(ids), SLICE):
        yield ids[start : start + SLICE]
