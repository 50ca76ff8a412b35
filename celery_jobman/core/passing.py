"""Passing: the result of one link becomes the first argument of the next.

A result is passed on as the JSON text that it is stored as: it is spliced into the arguments of
what follows, never decoded on the way, so that whatever Celery's JSON knows arrives unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.conf import settings
from celery_jobman.exceptions import ResultTooLarge
from celery_jobman.models import Batch, Job
from celery_jobman.models.batch import SEQUENCES
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

#: What follows a link that has no result to pass on is given this.
NULL = "null"

_COLUMNS = ("position", "state", "result", "args", "own_args", "allow_failure", "follows_id")


def prefixed(args: str, value: str) -> str:
    """Return the JSON text of a list with one more value, itself JSON text, before the rest."""
    rest = args.strip()[1:]
    return f"[{value}{'' if rest.strip() == ']' else ', '}{rest}"


def takes_result(link_id: UUID) -> bool:
    """Whether a link is given the result of what it follows; a batch hands it to its members."""
    found = Job.objects.filter(pk=link_id).values_list("takes_result", flat=True).first()
    return found is not False


def value_of(link_id: UUID | None) -> str | None:
    """Return the JSON text that a link that has ended well passes on.

    A job passes its result, and a batch the list of what its elements pass; a link whose failure
    is allowed, and that has failed, passes what it was given itself.

    Returns:
        None when there is no such link.

    Raises:
        ResultTooLarge: It has more characters than ``JOBMAN["RESULT_LIMIT"]``.
    """
    if link_id is None:
        return None
    job = Job.objects.filter(pk=link_id).only(*_COLUMNS).first()
    if job is not None:
        return checked(_value_of_job(job), link_id)
    batch = Batch.objects.without_payloads().filter(pk=link_id).first()
    return None if batch is None else checked(_value_of_nested(batch), link_id)


def checked(value: str, link_id: UUID) -> str:
    """Return a result that is small enough to be passed on.

    Raises:
        ResultTooLarge: It has more characters than ``JOBMAN["RESULT_LIMIT"]``.
    """
    if len(value) > settings().result_limit:
        raise ResultTooLarge(link_id, len(value), settings().result_limit)
    return value


def _value_of_job(job: Job) -> str:
    if job.state == State.SUCCEEDED:
        return job.result or NULL
    if not job.allow_failure:
        return NULL
    replaced = _replaced_by(job.id, job.follows_id)
    return given_to(job) if replaced is None else _given_before(replaced)


def _replaced_by(link_id: UUID, before: UUID | None) -> Job | None:
    """Return the job that a link stands in for; None if it does not."""
    replaced = Job.objects.filter(pk=before, replaced_by=link_id) if before else Job.objects.none()
    return replaced.only(*_COLUMNS).first()


def _given_before(job: Job) -> str:
    """Return what was given to a job that was replaced, or to the first that was."""
    earlier = _replaced_by(job.id, job.follows_id)
    return given_to(job) if earlier is None else _given_before(earlier)


def given_to(job: Job) -> str:
    """Return the result that a job was given as its first argument; null if none."""
    if job.own_args is None:
        return NULL
    rest = job.own_args.strip()[1:]
    tail = len(rest) if rest.strip() == "]" else len(rest) + len(", ")
    return job.args[1 : len(job.args) - tail]


def _value_of_nested(batch: Batch) -> str:
    if not _is_excused(batch):
        return value_of_batch(batch.id)
    replaced = _replaced_by(batch.id, batch.follows_id)
    return value_for(batch) or NULL if replaced is None else _given_before(replaced)


def _is_excused(batch: Batch) -> bool:
    return batch.allow_failure and batch.state == State.FAILED


def value_of_batch(batch_id: UUID) -> str:
    """Return the JSON text that a batch that has ended well passes on.

    A chain without links passes on what it was given.

    Raises:
        ResultTooLarge: It has more characters than ``JOBMAN["RESULT_LIMIT"]``.
    """
    limit, parts, size = settings().result_limit, [], 0
    for part in _parts(batch_id):
        parts.append(part)
        size += len(part) + len(", ")
        if size > limit:
            raise ResultTooLarge(batch_id, size, limit)
    sequence = Batch.objects.filter(pk=batch_id, kind__in=SEQUENCES).first()
    if sequence is None:
        return f"[{', '.join(parts)}]"
    return parts[0] if parts else value_for(sequence) or NULL


def _parts(batch_id: UUID) -> Iterator[str]:
    """Yield what the elements of a batch pass on, in their order."""
    last = {"next_id": None}
    jobs = Job.objects.members_of(batch_id).filter(**last)
    parts = [
        (job.position or 0, job.id, _value_of_job(job)) for job in jobs.only(*_COLUMNS).iterator()
    ]
    for inner in Batch.objects.without_payloads().filter(batch_id=batch_id, **last):
        is_value = inner.state == State.SUCCEEDED or _is_excused(inner)
        part = _value_of_nested(inner) if is_value else NULL
        parts.append((inner.position or 0, inner.id, part))
    return (part for _, _, part in sorted(parts))


def value_for(batch: Batch) -> str | None:
    """Return what the first links of a batch are given; None when nothing is."""
    source = _source(batch)
    return None if source is None else value_of(source)


def is_fed(batch: Batch) -> bool:
    """Whether the first links of a batch are given something."""
    return _source(batch) is not None


def _source(batch: Batch) -> UUID | None:
    """Return the link that a batch, or one of those around it, follows."""
    while batch.follows_id is None and batch.batch_id is not None:
        around = Batch.objects.only("follows_id", "batch_id").filter(pk=batch.batch_id).first()
        if around is None:  # it was deleted
            return None
        batch = around
    return batch.follows_id
