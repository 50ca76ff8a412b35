"""Tallies: the counts of a batch, taken anew by counting the rows of its members.

A batch is never counted like that while all goes well: each end adds to what its row holds.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.db.models import Count, F

from celery_jobman.core import transitions
from celery_jobman.models import Batch, Job
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from uuid import UUID

#: The columns that count ends.
ENDS = ("succeeded", "failed", "cancelled", "skipped")


def counted(batch_id: UUID) -> dict[str, int]:
    """Return the counts of a batch by the rows of its members, as its columns name them."""
    ends: Counter[str] = Counter()
    for rows in (Job.objects.members_of(batch_id), Batch.objects.filter(batch_id=batch_id)):
        for row in rows.order_by().values("state", "allow_failure").annotate(n=Count("pk")):
            is_final = row["state"] in FINAL
            ends[row["state"] if is_final else "pending"] += row["n"]
            if row["state"] == State.FAILED and row["allow_failure"]:
                ends["excused"] += row["n"]
    counts = {name: ends[name] for name in (*ENDS, "pending", "excused")}
    return {**counts, "total": sum(counts[name] for name in (*ENDS, "pending"))}


def recount(batch_id: UUID) -> None:
    """Write the counts of a batch that has not finished anew, inside a transaction.

    Members that have ended in other transactions, which are not committed yet, add to them.
    """
    transitions.hold_batches([batch_id])
    open_one = Batch.objects.filter(pk=batch_id, finished_at__isnull=True)
    if open_one.update(total=F("total")):  # it is ours until the commit
        Batch.objects.filter(pk=batch_id).update(**counted(batch_id))
