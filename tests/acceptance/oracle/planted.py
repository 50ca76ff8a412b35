"""Faults that are planted into our side, for a test that the oracle finds each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.core import links, passing
from celery_jobman.models import Job
from celery_jobman.runtime.workflows.moulds import Moulds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

_parts, _value_of_job, _mould = passing._parts, passing._value_of_job, Moulds.job


def _in_wrong_order(batch_id: UUID) -> Iterator[str]:
    """Pass the results of a group on from the last to the first."""
    return iter([*_parts(batch_id)][::-1])


def _null_after_replace(job: Job) -> str:
    """Pass null on for what stands in for a job."""
    stands_in = Job.objects.filter(replaced_by=job.id).exists()
    return passing.NULL if stands_in else _value_of_job(job)


def _on_after_a_failure(link_id: UUID | None, by: UUID, *, now: datetime) -> int:
    """Go on with a chain of which a link has failed."""
    del by
    if link_id is not None:
        links.release(link_id, now=now)
    return 0


def _without_priority(
    self: Moulds, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> Job:
    """Lose an option of a member."""
    options.pop("priority", None)
    return _mould(self, task, args, kwargs, options)


passing._parts = _in_wrong_order
passing._value_of_job = _null_after_replace
links.skip = _on_after_a_failure
Moulds.job = _without_priority  # type: ignore[method-assign]
