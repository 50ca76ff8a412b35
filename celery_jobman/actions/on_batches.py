"""What people do to batches; see :mod:`celery_jobman.actions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.core import batches, pruning, resumption
from celery_jobman.core.resumption import Scope
from celery_jobman.runtime.workflows import planting
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.resumption import Plan


find_batch_row = batches.find
plan_batch_retry = resumption.plan
plan_link_retry = resumption.plan_from


def add_to_batch(batch_id: UUID | str, members: Iterable[Any]) -> int:
    """Add members to a batch that has not finished.

    See :meth:`celery_jobman.runtime.workflows.live.LiveBatch.add`, whose result and errors
    these are.
    """
    return planting.add(batches.find(batch_id), members)


def cancel_batch(batch_id: UUID, *, actor: Any = None, reason: str = "") -> State:
    """Cancel what waits in a batch, and ask what runs to stop; asking twice does no harm.

    See :func:`celery_jobman.core.batches.cancel`, whose errors these are.

    Returns:
        ``RUNNING`` while members have not ended; otherwise how the batch ended.
    """
    batches.cancel(batch_id, now=timezone.now(), actor=actor, reason=reason)
    return State(batches.find(batch_id).state)


def retry_batch(
    batch_id: UUID,
    scope: Scope | str = Scope.FAILED,
    *,
    finishes: int | None = None,
    actor: Any = None,
    reason: str = "",
) -> Plan:
    """Run members of a batch again; see :func:`celery_jobman.core.resumption.retry`."""
    return resumption.retry(
        batch_id, scope, now=timezone.now(), finishes=finishes, actor=actor, reason=reason
    )


def retry_from_link(member_id: UUID, *, actor: Any = None, reason: str = "") -> Plan:
    """Run a member of a workflow again, and every link after it.

    See :func:`celery_jobman.core.resumption.retry_from`, whose result and errors these are.
    """
    now = timezone.now()
    return resumption.retry_from(member_id, now=now, actor=actor, reason=reason)


def prune_batches(cutoff: datetime) -> int:
    """Delete the rows of workflows that finished before ``cutoff`` and have no jobs left.

    Returns:
        How many batches were deleted, those inside others counted too.
    """
    return pruning.prune_batches(cutoff)
