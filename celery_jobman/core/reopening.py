"""Reopening: put members of a workflow on the schedule again, and open their batches.

Which they are was found out by reading (:mod:`celery_jobman.core.workflow`).  Here the rows are
written from the inside to the outside, each guarded by what was read, in one transaction; so
callbacks run, and what follows goes on, when a batch closes anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from django.db.models import F

from celery_jobman.core import hints, links, passing, transitions
from celery_jobman.core.workflow import Workflow, refuse_unready, refused
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from uuid import UUID

MOVED_ON = "it has moved on, ask again"

#: Where in a workflow a member stands.
_PLACE = ("batch_id", "position", "next_id", "follows_id", "stopped_by")

#: Jobs that are put on the schedule again by one UPDATE.
SLICE = 500


def write(
    workflow: Workflow,
    *,
    now: datetime,
    fresh: Callable[[Job], dict[str, Any]],
    moved: UUID | None = None,
) -> None:
    """Put the members on the schedule again, inside a transaction.

    Args:
        workflow: What shall run again.
        now: Aware datetime of the request.
        fresh: Returns the columns with which a job begins anew.
        moved: A job whose own row was written already.

    Raises:
        TransitionRefused: Something has moved on since it was read.  The transaction is to be
            rolled back.
    """
    members = workflow.members()
    inside_out = sorted(workflow.opened.values(), key=workflow.depth, reverse=True)
    for batch in inside_out:
        rows = members.get(batch.id, [])
        _hold_back(workflow, rows, batch)
        jobs = [row for row in rows if isinstance(row, Job)]
        for job in jobs:
            if job.id == moved:
                given = {} if workflow.waits(job) else _given(workflow, job)
                Job.objects.filter(pk=moved).update(stopped_by=None, **given)
        _move_all(workflow, [job for job in jobs if job.id != moved], now, fresh)
        gone = [row for row in workflow.aside.values() if row.batch_id == batch.id]
        if gone:
            _detach(workflow, jobs, gone, batch)
        _reopen(workflow, batch, _ends(row for row in rows if row.is_final), _ends(gone))
    _leave(workflow)
    hints.due([job.id for job in workflow.jobs.values() if not workflow.waits(job)])


def _detach(
    workflow: Workflow, jobs: Iterable[Job], gone: Iterable[Job | Batch], batch: Batch
) -> None:
    """Take what stood in for jobs out of the workflow: it stands alone from now on."""
    for job in jobs:
        if job.replaced_by in workflow.aside:
            link = workflow.after(job)
            Job.objects.filter(pk=job.id).update(next_id=link)
            for model in (Job, Batch) if link else ():
                model.objects.filter(pk=link).update(follows_id=job.id)
    for row in gone:
        model = type(row)
        alone: dict[str, Any] = dict.fromkeys(_PLACE)
        if isinstance(row, Batch):
            inside = workflow.inside(row.id)
            Batch.objects.filter(pk__in=inside).update(root_id=row.id, stopped_by=None)
            Job.objects.filter(batch_id__in=inside).update(root_id=str(row.id), stopped_by=None)
        rows = type(row).objects.filter(pk=row.id, state=row.state)
        if not rows.update(**alone):
            raise refused(batch, MOVED_ON)


def _leave(workflow: Workflow) -> None:
    """Let what something else keeps from going on go on with that one's retry."""
    by_culprit: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row_id, culprit in workflow.left.items():
        if row_id not in workflow.jobs and row_id not in workflow.opened:
            by_culprit[culprit].append(row_id)
    for culprit, ids in by_culprit.items():
        for model in (Job, Batch):
            rows = model.objects.filter(pk__in=ids, stopped_by__in=workflow.causes)
            rows.update(stopped_by=culprit)


def _ends(rows: Iterable[Job | Batch]) -> Counter[str]:
    """Count how members had ended, and how many of them in a failure that is allowed."""
    ends: Counter[str] = Counter()
    for row in rows:
        ends[row.state] += 1
        ends["excused"] += row.state == State.FAILED and row.allow_failure
    return ends


def _hold_back(workflow: Workflow, rows: Iterable[Job | Batch], batch: Batch) -> None:
    """Let members that something waits for again not end before that is written."""
    before = {link for row in rows if (link := workflow.before(row))} - workflow.jobs.keys()
    going = [link for link in before if workflow.state_of(link) not in FINAL]
    held = Job.objects.filter(pk__in=going, finished_at=None).update(next_id=F("next_id"))
    transitions.hold_batches(going)
    held += Batch.objects.unfinished().filter(pk__in=going).update(next_id=F("next_id"))
    if held < len(going):
        raise refused(batch, MOVED_ON)


def _move_all(
    workflow: Workflow, jobs: Iterable[Job], now: datetime, fresh: Callable[[Job], dict[str, Any]]
) -> None:
    """Put jobs on the schedule again, or let them wait; by one UPDATE for many that are alike."""
    alike: defaultdict[tuple[str, int, State], list[Job]] = defaultdict(list)
    for job in jobs:
        to = State.BLOCKED if workflow.waits(job) else State.SCHEDULED
        if job.takes_result and to == State.SCHEDULED:
            _move([job], to, now, [{**fresh(job), **_given(workflow, job)}])
        else:
            alike[job.state, job.attempt, to].append(job)
    for (_, _, to), same in alike.items():
        for start in range(0, len(same), SLICE):
            part = same[start : start + SLICE]
            _move(part, to, now, [fresh(job) for job in part])


def _move(jobs: list[Job], to: State, now: datetime, columns: list[dict[str, Any]]) -> None:
    """Move jobs that were read in the same state and attempt; only their task ids may differ."""
    changes, each = columns[0], {}
    if len(jobs) > 1 and "task_id" in changes:
        each["task_id"] = {job.id: own["task_id"] for job, own in zip(jobs, columns, strict=True)}
        del changes["task_id"]
    transitions.move_every(
        [job.id for job in jobs],
        to,
        "retried",
        now=now,
        sources=FINAL & {State(jobs[0].state)},
        at={"attempt": jobs[0].attempt},
        each=each,
        hint=MOVED_ON,
        **{**changes, "available_at": now if to == State.SCHEDULED else None},
    )


def _given(workflow: Workflow, job: Job) -> dict[str, Any]:
    """Return a job's arguments with the result it takes; it may not have been released before."""
    if not job.takes_result or job.batch_id is None:
        return {}
    own = Job.objects.only("args", "kwargs", "own_args", "takes_result").get(pk=job.id)
    before = workflow.before(job)
    if before is not None:
        return links.arguments(own, passing.value_of(before))
    return links.arguments(own, passing.value_for(workflow.batches[job.batch_id]))


def _reopen(workflow: Workflow, batch: Batch, ends: Counter[str], gone: Counter[str]) -> None:
    changes = _recounted(batch, ends, gone)
    if batch.is_final:
        changes |= {"opening": not batch.total, "cancel_requested_at": None}
    if batch.is_final or batch.stopped_by in workflow.causes:
        changes |= {"stopping": Stopping.NOT, "stopped_by": None}
    to = State.BLOCKED if workflow.waits(batch) else State.RUNNING
    if changes and not transitions.reopen_batch(batch, to, **changes):
        raise refused(batch, MOVED_ON)
    if changes.get("opening"):
        hints.errand(batch.id)


def _recounted(batch: Batch, ends: Counter[str], gone: Counter[str]) -> dict[str, Any]:
    again = ends.total() - ends["excused"]
    fewer = gone.total() - gone["excused"]
    if not (again or fewer):
        return {}
    ends += gone
    changes: dict[str, Any] = {name: F(name) - number for name, number in ends.items() if number}
    changes |= {"pending": F("pending") + again, "total": F("total") - fewer}
    if batch.failed - ends["failed"] <= batch.excused - ends["excused"]:
        changes |= {"caught": False, "error_job_id": None, "error_message": ""}
    return changes


def around(job: Job) -> Workflow:
    """Find out what follows from the retry of a member.

    Raises:
        TransitionRefused: What it waited for has not ended well, what follows it has begun, or
            its batch is being cancelled.
    """
    assert job.batch_id is not None  # noqa: S101 - a member
    workflow = Workflow.around(job.batch_id)
    workflow.add([job])
    refuse_unready(workflow)
    _hold_back(workflow, workflow.members()[job.batch_id], workflow.batches[job.batch_id])
    return workflow
