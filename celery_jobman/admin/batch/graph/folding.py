"""Folding: which links become one node, which batches are unfolded, and what each node says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from celery_jobman.admin.badges import Badge, of_state
from celery_jobman.admin.batch import bar
from celery_jobman.admin.batch.graph.parts import (
    Box,
    Element,
    Ending,
    Node,
    Part,
    nodes,
    parts,
)
from celery_jobman.admin.batch.naming import kind_of
from celery_jobman.admin.page.wire import visible
from celery_jobman.insight.wording import lasting, number
from celery_jobman.models import Batch
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from uuid import UUID

    from celery_jobman.admin.batch.bar import Counts
    from celery_jobman.admin.batch.graph.reading import Row, Workflow
    from celery_jobman.admin.batch.regions import Subject
    from celery_jobman.models import Job

#: More equal elements than this become one.
ALIKE: Final = 12
#: Most nodes that are drawn unless somebody insists.
MOST_NODES: Final = 300


@dataclass(frozen=True)
class Folder:
    """Makes nodes of rows, as one user sees them at one moment."""

    subject: Subject
    workflow: Workflow

    def whole(self, most: int = MOST_NODES) -> tuple[Element, ...]:
        """Return the batch's elements, with the batches inside unfolded as far as there is room.

        Args:
            most: Nodes that may be drawn; where the batch's own are more, no other is unfolded.
        """
        unfolded: dict[UUID, tuple[Element, ...]] = {}
        top = self.elements(self.subject.batch.pk) or self.alone()
        drawn, level = nodes(top), list(parts(top))
        while level:
            below: list[Part] = []
            for key in (part.batch_id for part in level if isinstance(part, Node)):
                inside = self.elements(key) if key in self.workflow.inside else ()
                if key and inside and drawn - 1 + nodes(inside) <= most:
                    unfolded[key] = inside
                    drawn += nodes(inside) - 1
                    below += parts(inside)
            level = below
        return _boxed(top, unfolded)

    def alone(self) -> tuple[Element, ...]:
        """Return the batch as the only node, if it has more members than are read."""
        batch = self.subject.batch
        known = batch.pk in self.workflow.inside or not batch.total
        return () if known else ((self.batch(batch),),)

    def elements(self, batch_id: UUID | None) -> tuple[Element, ...]:
        """Return the elements of one batch; equal ones are folded where they are many."""
        if batch_id is None:
            return ()
        rows = self.workflow.inside.get(batch_id, [])
        alike: dict[Hashable, list[list[Row]]] = defaultdict(list)
        for links in rows:
            alike[_signature(links)].append(links)
        found: list[Element] = []
        for group in alike.values():
            if len(group) > ALIKE:
                columns = zip(*group, strict=True)
                found.append(tuple(self.many(column) for column in columns))
            else:
                found += [tuple(map(self.one, links)) for links in group]
        return tuple(found)

    def one(self, row: Row) -> Node:
        """Return the node of one link."""
        return self.batch(row) if isinstance(row, Batch) else self.job(row)

    def job(self, job: Job) -> Node:
        """Return the node of a job."""
        name, badge = self._called(job), self.subject.jobs.badge(job, self.subject.now)
        took = self._took(job)
        note = f"{badge.word} · {took}" if took else badge.word
        said = ", ".join(filter(None, (name, badge.word, took)))
        return Node(
            name=name,
            badge=badge,
            note=note,
            said=said,
            href=self.subject.jobs.page(job.pk),
            ending=_ending([job]),
        )

    def batch(self, batch: Batch) -> Node:
        """Return the node of a batch, which tells how far it is."""
        batches, counts = self.subject.batches, bar.counts_of(batch)
        name, badge = _named(batch), batches.badge(batch, self.subject.now)
        return Node(
            name=name,
            badge=badge,
            note=_shortly(counts),
            said=f"{name}, {badge.word}, {_at_length(counts)}",
            href=batches.page(batch.pk),
            counts=counts,
            batch_id=batch.pk,
            ending=_ending([batch]),
        )

    def many(self, rows: Sequence[Row]) -> Node:
        """Return the node of equal links, of all elements that are folded."""
        first = rows[0]
        name = _named(first) if isinstance(first, Batch) else self._called(first)
        counts = bar.counted(row.state for row in rows)
        show = "failed" if counts.failed else bar.PENDING if counts.unfinished else "all"
        page = self.subject.batches.page(first.batch_id)
        return Node(
            name=name,
            badge=_overall(counts),
            note=_shortly(counts),
            said=f"{name}, {_at_length(counts)}",
            href=f"{page}?show={show}#jm-members",
            counts=counts,
            times=len(rows),
            ending=_ending(rows),
        )

    def _called(self, job: Job) -> str:
        """Return what a job is called; of a task's dotted name only the end, which tells most."""
        name = self.subject.jobs.called(job)
        return name.rpartition(".")[2] or name if name == job.task else name

    def _took(self, job: Job) -> str:
        if not job.started_at or not (job.state in FINAL or job.state == State.RUNNING):
            return ""
        return lasting((job.finished_at or self.subject.now) - job.started_at)


def _named(batch: Batch) -> str:
    return visible(batch.name) or kind_of(batch)


def _boxed(
    elements: Sequence[Element], unfolded: dict[UUID, tuple[Element, ...]]
) -> tuple[Element, ...]:
    return tuple(tuple(_box(part, unfolded) for part in element) for element in elements)


def _box(part: Part, unfolded: dict[UUID, tuple[Element, ...]]) -> Part:
    if isinstance(part, Box) or part.batch_id not in unfolded:
        return part
    return Box(head=part, elements=_boxed(unfolded[part.batch_id], unfolded))


def _signature(links: list[Row]) -> Hashable:
    """Return what is the same for elements that look alike."""
    return tuple(
        (row.kind, row.name) if isinstance(row, Batch) else ("job", row.task) for row in links
    )


def _ending(rows: Sequence[Row]) -> Ending:
    """Return how links came to their end.  What was skipped may have begun when it ran before."""
    ends = [
        row.finished_at
        for row in rows
        if row.finished_at and row.started_at and row.state != State.SKIPPED
    ]
    return Ending(all(row.state in FINAL for row in rows), max(ends, default=None))


def _overall(counts: Counts) -> Badge:
    """Return the badge of many: of the state that matters most."""
    if counts.failed:
        return of_state(State.FAILED)
    if counts.running:
        return of_state(State.RUNNING)
    if counts.unfinished:
        return of_state(State.BLOCKED if counts.unfinished == counts.total else State.RUNNING)
    found = [state for state in (State.CANCELLED, State.SKIPPED) if getattr(counts, state.value)]
    return of_state(found[0] if found else State.SUCCEEDED)


def _shortly(counts: Counts) -> str:
    """Return counts for a node: ``812 of 1,000, 3 failed``."""
    values = {"done": number(counts.ended), "total": number(counts.total)}
    text = _("%(done)s of %(total)s") % values
    if counts.failed:
        text += ", " + _("%(count)s failed") % {"count": number(counts.failed)}
    return text


def _at_length(counts: Counts) -> str:
    """Return counts for a node's name: ``812 of 1,000 succeeded, 3 failed``."""
    values = {"done": number(counts.succeeded), "total": number(counts.total)}
    text = _("%(done)s of %(total)s succeeded") % values
    rest = counts._replace(succeeded=0, running=0, waiting=0, pending=0)
    return f"{text}, {bar.told(rest)}" if any(rest) else text
