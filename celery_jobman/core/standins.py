"""Stand-ins: what a member of a workflow has put in its place by ``self.replace``.

The stand-in becomes the link after the member: a job, or a batch, which takes no result from it.
The member has ended; what followed it waits for the stand-in from then on, and is given its
result.  All of that is written by the transaction that ends the member.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from celery_jobman.core import batches, hints, moments, statements
from celery_jobman.core.statements import Plus
from celery_jobman.models import Batch, Job, Stopping

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.batches import Row
    from celery_jobman.core.joins import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """What takes a member's place."""

    #: The job or batch that becomes the link after the member.
    link_id: UUID
    #: It, and all that is in it: unsaved and blocked.
    rows: Sequence[Row]


def put(member: Member, stand_in: StandIn, *, now: datetime) -> Member:
    """Write a stand-in between a member and what follows it, in the transaction of its end.

    Args:
        member: Who ends; its row names the stand-in as the next link by now.
        stand_in: What takes its place.
        now: Aware datetime of the end.

    Returns:
        The member, followed by the stand-in.

    Raises:
        DatabaseError: The database refused a row.
    """
    assert member.batch_id is not None  # noqa: S101 - only members of batches are given any
    batches.write(stand_in.rows, member.batch_id, now)
    if member.next_id is not None:
        for model in (Job, Batch):
            model.objects.filter(pk=member.next_id).update(follows_id=stand_in.link_id)
    more = {"total": Plus(1), "pending": Plus(1)}
    found = statements.update_and_read(Batch, {"id": member.batch_id}, more, ("stopping",))
    if found and found[0] != Stopping.NOT:  # its errand may have passed here before
        hints.errand(member.batch_id)
    moments.reached("stand-in written")
    return replace(member, next_id=stand_in.link_id)
