"""Workflow: a workflow as it was read, and which of its members shall run again.

A retry starts from **seeds**: the members that shall run again.  With them goes what was
skipped or cancelled because of them (``stopped_by``), and every batch around them that had
finished is open again.  All that is found out here, by reading; nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from celery_jobman.exceptions import TransitionRefused
from celery_jobman.models import Batch, Job, Role, Stopping
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

#: What a job must tell to be run again.
COLUMNS = (
    "task", "label", "state", "attempt", "batch_id", "role", "next_id", "follows_id",
    "allow_failure", "stopped_by", "delay", "takes_result", "replaced_by",
)  # fmt: skip


#: What a job that is gone is taken for: what follows it has begun long ago.
PRUNED = State.SUCCEEDED

#: Jobs that are asked for in one statement.
ASKED = 5000

#: States after which what follows does not begin.
BROKEN = FINAL - {State.SUCCEEDED}

#: States of a link that has begun, or is about to.
BUSY = frozenset({State.SCHEDULED, State.QUEUED, State.RUNNING})


@dataclass(slots=True)
class Workflow:
    """A workflow's batches, and the members that shall run again."""

    batches: dict[UUID, Batch]
    #: Jobs that shall run again, and batches that are open again because of them.
    jobs: dict[UUID, Job] = field(default_factory=dict)
    opened: dict[UUID, Batch] = field(default_factory=dict)
    #: The ends that are undone.
    causes: set[UUID] = field(default_factory=set)
    #: States of jobs that were asked for, and which of them failed as they may.
    states: dict[UUID, str] = field(default_factory=dict)
    excused: set[UUID] = field(default_factory=set)
    #: What was stopped because of those ends, and is kept by another; with that one.
    left: dict[UUID, UUID] = field(default_factory=dict)
    #: What stands in for jobs that run again: these may do without it, or choose another.
    aside: dict[UUID, Job | Batch] = field(default_factory=dict)

    @classmethod
    def around(cls, batch_id: UUID) -> Workflow:
        """Read the batches of the workflow that a batch belongs to."""
        root_id = Batch.objects.values_list("root_id", flat=True).get(pk=batch_id)
        rows = Batch.objects.filter(root_id=root_id).without_payloads()
        found = {row.id: row for row in rows}
        excused = {row.id for row in rows if row.state == State.FAILED and row.allow_failure}
        return cls(found, excused=excused)

    def inside(self, batch_id: UUID) -> set[UUID]:
        """Return a batch and all that are in it, at any depth."""
        found, new = {batch_id}, {batch_id}
        while new:
            new = {b.id for b in self.batches.values() if b.batch_id in new} - found
            found |= new
        return found

    def depth(self, batch: Batch) -> int:
        """Return how many batches are around one."""
        depth = 0
        while batch.batch_id is not None:
            batch, depth = self.batches[batch.batch_id], depth + 1
        return depth

    def add(self, jobs: Iterable[Job]) -> None:
        """Let these jobs run again, and with them what their ends had stopped.

        Raises:
            TransitionRefused: A batch around one of them is being cancelled.
        """
        wanted = list(jobs)
        self._set_aside(wanted)
        inside = set().union(*(self.inside(link) for link in self.aside if link in self.batches))
        causes: set[UUID] = set(self.aside)
        for job in wanted:
            if job.id not in self.aside and job.batch_id not in inside:
                causes |= self._admit(job)
        self._add_stopped(causes)

    def _set_aside(self, jobs: Iterable[Job]) -> None:
        """Set aside what stands in for these jobs, and for what stood in for them.

        Raises:
            TransitionRefused: It has not ended.
        """
        standing = [job.replaced_by for job in jobs if job.replaced_by]
        while standing:
            rows: list[Job | Batch] = [self.batches[i] for i in standing if i in self.batches]
            mine = Job.objects.filter(batch_id__in=self.ids(), role=Role.MEMBER)
            found = list(mine.filter(pk__in=standing).only(*COLUMNS))
            for row in [*rows, *found]:
                if not row.is_final:
                    hint = f"{row.id}, which stands in for it, is {row.state}: cancel that first"
                    raise TransitionRefused(row.follows_id or row.id, "retried", "replaced", hint)
                self.aside[row.id] = row
            standing = [job.replaced_by for job in found if job.replaced_by]

    def before(self, row: Job | Batch) -> UUID | None:
        """Return the link before a member, without what is set aside."""
        link = row.follows_id
        while link in self.aside:
            link = self.aside[link].follows_id
        return link

    def after(self, row: Job | Batch) -> UUID | None:
        """Return the link after a member, without what is set aside."""
        link = row.next_id
        while link in self.aside:
            link = self.aside[link].next_id
        return link

    def _admit(self, row: Job | Batch) -> set[UUID]:
        """Let a job run again, or a batch be open again; return the ends that are undone."""
        if isinstance(row, Batch):
            return self._open(row.id)
        self.jobs.setdefault(row.id, row)
        return {row.id, *self._open(row.batch_id)}

    def _open(self, batch_id: UUID | None) -> set[UUID]:
        """Open a finished batch, and those around it; return the ones that were finished."""
        finished: set[UUID] = set()
        while batch_id is not None and batch_id not in self.opened:
            batch = self.opened[batch_id] = self.batches[batch_id]
            if batch.is_final:
                finished.add(batch.id)
            elif batch.stopping == Stopping.CANCELLED:
                raise refused(batch, "it is being cancelled, wait for its end")
            batch_id = batch.batch_id
        return finished

    def _add_stopped(self, causes: set[UUID]) -> None:
        """Add what was stopped because of these ends, unless another one keeps it from going on."""
        if not causes:
            return
        self.causes |= causes
        ends = [State.SKIPPED, State.CANCELLED]
        rows = Job.objects.filter(batch_id__in=self.ids(), role=Role.MEMBER, state__in=ends)
        left: list[Job | Batch] = [*rows.filter(stopped_by__in=causes).only(*COLUMNS)]
        left += [batch for batch in self.batches.values() if batch.stopped_by in causes]
        self.look_before(left)
        left.sort(key=lambda row: row.id)  # links in their order, so that one look is mostly enough
        number = len(left) + 1
        while len(left) < number:  # one that goes on may be what another one follows
            number = len(left)
            left = self._admit_free(left)
        for row in left:
            self.left[row.id] = self.culprit(row) or row.id

    def _admit_free(self, rows: list[Job | Batch]) -> list[Job | Batch]:
        """Let what nothing keeps go on, and what its end had stopped; return the others."""
        causes: set[UUID] = set()
        kept: list[Job | Batch] = []
        for row in rows:
            if row.id in self.jobs or row.id in self.opened:
                continue
            if self.culprit(row):
                kept.append(row)
            else:
                causes |= self._admit(row)
        self._add_stopped(causes)
        return kept

    def culprit(self, row: Job | Batch) -> UUID | None:
        """Return why a member cannot go on: a link before it broke, and does not run again."""
        before = self.link_before(row)
        if before is None or before in self.jobs or before in self.opened:
            return None
        is_broken = self.state_of(before) in BROKEN and before not in self.excused
        return self.left.get(before, before) if is_broken else None

    def ids(self) -> Any:
        """Return the ids of all batches of the workflow, as a subquery."""
        root_id = next(iter(self.batches.values())).root_id
        return Batch.objects.filter(root_id=root_id).values("id")

    def members(self) -> dict[UUID | None, list[Job | Batch]]:
        """Return, by batch, the jobs in it that run again, in order, and the batches."""
        found: defaultdict[UUID | None, list[Job | Batch]] = defaultdict(list)
        rows: list[Job | Batch] = sorted(self.jobs.values(), key=lambda job: job.id)
        for row in [*rows, *self.opened.values()]:
            found[row.batch_id].append(row)
        return found

    def link_before(self, row: Job | Batch) -> UUID | None:
        """Return what a member, or the innermost batch around it that follows anything, follows."""
        while row.follows_id is None and row.batch_id is not None:
            row = self.batches[row.batch_id]
        return self.before(row)

    def waits(self, row: Job | Batch) -> bool:
        """Whether a member must wait: for one that has not ended, or for its batch to open."""
        before = self.before(row)
        if before is not None:
            again = before in self.jobs or (before in self.opened and self.opened[before].is_final)
            return again or self.state_of(before) not in FINAL
        if row.batch_id is None:
            return False
        outer = self.batches[row.batch_id]
        return self.waits(outer) if outer.is_final else outer.state == State.BLOCKED

    def look_before(self, rows: Iterable[Job | Batch]) -> None:
        """Read the states of the links before these, all at once."""
        links = {link for row in rows if (link := self.link_before(row)) is not None}
        self._look_at(links - self.jobs.keys() - self.batches.keys() - self.states.keys())

    def state_of(self, link_id: UUID) -> str:
        """Return the state of a job or batch as it was when it was first asked for."""
        if link_id in self.batches:
            return self.batches[link_id].state
        if link_id not in self.states:
            self._look_at({link_id})
        return self.states[link_id]

    def _look_at(self, links: set[UUID]) -> None:
        unknown = list(links)
        for start in range(0, len(unknown), ASKED):
            part = unknown[start : start + ASKED]
            self.states |= dict.fromkeys(part, PRUNED)
            columns = ("pk", "state", "allow_failure")
            for pk, state, allow_failure in Job.objects.filter(pk__in=part).values_list(*columns):
                self.states[pk] = state
                if allow_failure and state == State.FAILED:
                    self.excused.add(pk)


def refused(batch: Batch, hint: str) -> TransitionRefused:
    """Return the error that says why a batch cannot be retried."""
    return TransitionRefused(batch.id, "retried", batch.state, hint, noun="batch")


def refuse_unready(workflow: Workflow) -> None:
    """Refuse to run jobs again at the wrong time.

    The link before the first jobs of a batch is the one before the batch.

    Raises:
        TransitionRefused: The link before one of them will not have ended well, or a link
            after one is at work; it names the first, and what to do instead.
    """
    workflow.look_before(workflow.jobs.values())
    _refuse_after_a_failure(workflow)
    _refuse_before_what_runs(workflow)


def _refuse_after_a_failure(workflow: Workflow) -> None:
    ready = [job for job in workflow.jobs.values() if not workflow.waits(job)]
    before = {link: job for job in ready if (link := workflow.link_before(job)) is not None}
    allowed = {"allow_failure": True, "state": State.FAILED}
    for model in (Job, Batch):
        rows = model.objects.filter(pk__in=list(before))
        good = rows.filter(Q(state=State.SUCCEEDED) | Q(**allowed)).values_list("pk", flat=True)
        bad = rows.exclude(pk__in=list(good)).values_list("pk", "state").first()
        if bad is not None:
            job = before[bad[0]]
            hint = f"it follows {bad[0]}, which is {bad[1]}: retry that one"
            raise TransitionRefused(job.id, "retried", job.state, hint)


def _refuse_before_what_runs(workflow: Workflow) -> None:
    opened = [batch for batch in workflow.opened.values() if batch.is_final]
    rows: list[Job | Batch] = [*workflow.jobs.values(), *opened]
    again = {link: row for row in rows if (link := workflow.after(row))}
    for model in (Job, Batch):
        busy = model.objects.filter(pk__in=list(again), state__in=sorted(BUSY))
        found = busy.values_list("pk", "state").first()
        if found is not None:
            row = again[found[0]]
            hint = f"{found[0]}, which follows it, is {found[1]}: cancel that, or wait for its end"
            raise TransitionRefused(row.id, "retried", row.state, hint)
