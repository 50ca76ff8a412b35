"""Reading: the rows of a workflow, level by level, as many as can be drawn."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.models.job import Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import QuerySet

    from celery_jobman.admin.batch.regions import Subject
    from celery_jobman.models import Batch, Job

    Row = Job | Batch

#: Most members that are read, of all batches together, and most batches inside one another.
MOST_ROWS: Final = 2_000
DEEPEST: Final = 12
#: The columns of a job that a graph shows.
JOB = (
    *("id", "task", "label", "state", "attempt", "batch_id", "position", "next_id", "follows_id"),
    *("available_at", "started_at", "finished_at", "cancel_requested_at", "owner_id", "queue"),
)


@dataclass
class Workflow:
    """What was read: the members of some batches."""

    #: Of each batch that was read, its elements, and of each the links in order.
    inside: dict[UUID, list[list[Row]]] = field(default_factory=dict)


def read(subject: Subject) -> Workflow:
    """Return the batch and as much of what is inside it as :data:`MOST_ROWS` allows.

    A batch is read whole or not at all; what its row says of its total decides.
    """
    workflow, level, left = Workflow(), [subject.batch], MOST_ROWS
    for _depth in range(DEEPEST):
        taken = []
        for batch in level:
            if 0 < batch.total <= left:
                taken.append(batch)
                left -= batch.total
        if not taken:
            break
        level = _read(subject, workflow, [batch.pk for batch in taken])
    return workflow


def _read(subject: Subject, workflow: Workflow, ids: list[UUID]) -> list[Batch]:
    """Read the members of some batches, and return the batches among them."""
    nested = subject.batches.seen(_inside(subject.batches.rows, ids))
    jobs = _inside(subject.jobs.rows.filter(role=Role.MEMBER), ids).only(*JOB)
    members: dict[UUID, list[Row]] = defaultdict(list)
    rows: list[Row] = [*subject.jobs.seen(jobs), *nested]
    for row in rows:
        if row.batch_id is not None:
            members[row.batch_id].append(row)
    workflow.inside |= {each: elements(members[each]) for each in ids}
    return nested


def _inside(rows: QuerySet[Any], ids: list[UUID]) -> QuerySet[Any]:
    # In no order, so that the index on the batch is used; twice the allowance, if counts are off.
    return rows.filter(batch_id__in=ids).order_by()[: 2 * MOST_ROWS]


def elements(members: Iterable[Row]) -> list[list[Row]]:
    """Return members as elements, and the links of each in order."""
    found: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in sorted(members, key=lambda row: row.pk):
        place = (1, row.pk.int) if row.position is None else (0, row.position)
        found[place].append(row)
    return [sequence(found[key]) for key in sorted(found)]


def sequence(links: list[Row]) -> list[Row]:
    """Return the links of one element, each behind the one it follows.

    Links whose neighbours are missing keep the order in which they were written.
    """
    left = {row.pk: row for row in links}
    after = {row.follows_id: row for row in links if row.follows_id in left}
    ordered: list[Row] = []
    for row in links:
        here: Row | None = row if row.follows_id not in left else None
        while here is not None and here.pk in left:
            ordered.append(left.pop(here.pk))
            here = after.get(here.pk)
    return [*ordered, *left.values()]
