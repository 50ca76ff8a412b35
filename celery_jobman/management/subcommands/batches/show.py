"""``manage.py jobman batch show``: everything about one batch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db.models import Count
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.core.resumption import Scope
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.insight import failures, workflows
from celery_jobman.insight.wording import ago, at, counted, error, lasting, one_line
from celery_jobman.management import arguments, facts, selection
from celery_jobman.management.subcommands.batches import retry
from celery_jobman.management.subcommands.batches.list import counts, summary
from celery_jobman.models import Batch, Job, JobAction, Kind, Role
from celery_jobman.states import State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator
    from datetime import datetime

    from celery_jobman.management.console import Console

HELP = "Show all there is to know of a batch, and what a retry would do."

#: Columns for the names of facts.
MARGIN = 11
#: Most failed members, nested batches and jobs of one callback that are shown.
SHOWN = 20
#: Characters of a group's error that are shown.
LONGEST = 300
#: Most failed members of which it is found out here, in a second, what a retry would do.
PLANNED = 5000


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_batch(parser)


def run(options: dict[str, Any], console: Console) -> None:
    batch, now = selection.batch(options["batch"]), timezone.now()
    if console.as_json:
        why = workflows.why(batch, now)
        console.fact("", fact="batch", why=why, members=_members(batch), **facts.batch(batch))
    else:
        console.fact(f"{batch.id}  {console.word(batch.state)}")
        for name, text in _facts(batch, now):
            if text:
                _write(name, text, console)
    _callbacks(batch, now, console)
    _errors(batch, console)
    _failed(batch, now, console)
    _nested(batch, console)
    _retry(batch, console)
    for action in JobAction.objects.filter(job_id=batch.id).order_by("id"):
        reason = f": {one_line(action.reason)}" if action.reason else ""
        text = f"{action.verb} by {action.actor} {ago(action.at, now)}{reason}"
        _write("action", text, console, fact="action", **facts.action(action))


def _write(name: str, text: str, console: Console, /, **values: Any) -> None:
    console.fact(console.wrapped(f"{name:<{MARGIN}} {text}", MARGIN + 1), **values)


def _facts(batch: Batch, now: datetime) -> Iterator[tuple[str, str]]:
    yield "why", one_line(workflows.why(batch, now))
    yield "name", batch.name
    yield "kind", str(batch.kind)
    yield "progress", f"{batch.ended:,} of {batch.total:,} ({batch.progress}%)"
    yield "counts", counts(batch)
    yield "jobs", ", ".join(f"{number:,} {state}" for state, number in _members(batch).items())
    yield "failures", _allowed(batch)
    yield from _relations(batch)
    yield from _times(batch, now)
    yield "finishes", f"{batch.finishes:,}" if batch.finishes > 1 else ""


def _members(batch: Batch) -> dict[str, int]:
    """Return how many of the jobs that a batch counts itself are in each state."""
    rows = Job.objects.members_of(batch.id).order_by().values_list("state")
    found = dict(rows.annotate(count=Count("pk")))
    return {state.value: found[state] for state in State if state in found}


def _allowed(batch: Batch) -> str:
    """Return how many failures a batch with a choice allows, and what one too many does."""
    if batch.kind != Kind.BATCH:
        return ""
    if batch.allow_failures == "all":
        return "all are allowed"
    allowed = f"{batch.allow_failures} allowed" if batch.allow_failures else "none allowed"
    then = {"cancel": "cancels what has not begun", "continue": "does not stop the others"}
    return f"{allowed}; the first too many {then[batch.on_failure]}"


def _relations(batch: Batch) -> Iterator[tuple[str, str]]:
    yield "owner", str(batch.owner) if batch.owner_id else ""
    yield "tags", ", ".join(map(str, batch.tags))
    yield "inside", _told(batch.batch_id)
    yield (
        "workflow",
        _told(batch.root_id) if batch.root_id not in {batch.id, batch.batch_id} else "",
    )
    yield "link before", _told(batch.follows_id)
    yield "link after", _told(batch.next_id)


def _told(link_id: Any) -> str:
    found = workflows.link(link_id)
    return found.told if found else ""


def _times(batch: Batch, now: datetime) -> Iterator[tuple[str, str]]:
    moments = {
        "created": batch.created_at,
        "started": batch.started_at,
        "cancelled": batch.cancel_requested_at,
        "finished": batch.finished_at,
    }
    for name, moment in moments.items():
        yield name, f"{at(moment)}, {ago(moment, now)}" if moment else ""
    if batch.started_at and batch.finished_at:
        yield "took", lasting(batch.finished_at - batch.started_at)


def _callbacks(batch: Batch, now: datetime, console: Console) -> None:
    kept = json.loads(batch.callbacks)
    for role in (Role.THEN, Role.CATCH, Role.FINALLY, Role.PROGRESS):
        jobs = Job.objects.filter(batch_id=batch.id, role=role).without_payloads()
        newest = list(jobs.order_by("-id")[:SHOWN])
        for job in reversed(newest):
            text = f"{role}  {job.id}  {console.word(job.state)}  {job.task}, {_when(job, now)}"
            _write("callback", text, console, fact="callback", role=role, **facts.brief(job))
        for columns in [] if newest else kept.get(role, []):
            text = f"{role}  not run  {columns['task']}"
            values = {"id": None, "state": None, "task": columns["task"]}
            _write("callback", text, console, fact="callback", role=role, **values)


def _when(job: Job, now: datetime) -> str:
    return ago(job.finished_at or job.started_at or job.created_at, now)


def _errors(batch: Batch, console: Console) -> None:
    """Write the groups of failed members that look alike."""
    found = failures.of(batch, Job.objects.all())
    examples = Job.objects.without_payloads().in_bulk([group.examples[0] for group in found.shown])
    for group in found.shown:
        job = examples.get(group.examples[0])
        if job is not None:
            _error(group, job, console)
    if found.others:
        text = counted(found.others, "other error")
        _write("errors", text, console, fact="more errors", count=found.others)
    if found.is_cut:
        text = f"counted among the first {failures.REACH:,} failed members"
        _write("errors", text, console, fact="errors cut", looked_at=failures.REACH)


def _error(group: failures.Group, job: Job, console: Console) -> None:
    fault = one_line(error(job.error_class, job.error_message[:LONGEST])) or "no error was kept"
    text = f"{counted(group.number, 'job')} like {job.id}: {fault}"
    columns = ("error_class", "error_message", "fingerprint")
    values = {"count": group.number, "id": job.id, **{name: getattr(job, name) for name in columns}}
    _write("errors", text, console, fact="error", **values)


def _failed(batch: Batch, now: datetime, console: Console) -> None:
    failed = Job.objects.members_of(batch.id).filter(state=State.FAILED).without_payloads()
    for job in failed.order_by("id")[:SHOWN]:
        excused = " (allowed)" if job.allow_failure else ""
        fault = one_line(error(job.error_class, job.error_message))
        text = f"{job.id}  {job.label or job.task}{excused}  {_when(job, now)}"
        text += f": {fault}" if fault else ""
        _write("failed", text, console, fact="failed", **facts.brief(job))
    more = failed.count() - SHOWN
    if more > 0:
        hint = f"jobman list --batch {batch.id} --state failed"
        _write("failed", f"{more:,} more: {hint}", console, fact="more failed", count=more)


def _nested(batch: Batch, console: Console) -> None:
    inside = Batch.objects.filter(batch_id=batch.id).without_payloads()
    ended_well = inside.filter(state=State.SUCCEEDED).count()
    others = inside.exclude(state=State.SUCCEEDED).order_by("position", "id")
    for inner in others[:SHOWN]:
        text = f"{inner.id}  {console.word(inner.state, 9)}  {summary(inner)}"
        _write("batch", text, console, fact="nested", **facts.batch(inner))
    more = others.count() - SHOWN
    if more > 0:
        _write("batch", f"{more:,} more", console, fact="more nested", count=more)
    if ended_well:
        text = f"{counted(ended_well, 'more batch', 'more batches')} inside succeeded"
        _write("batch", text, console, fact="nested that succeeded", count=ended_well)


def _retry(batch: Batch, console: Console) -> None:
    """Write what a retry would do, where it makes sense to ask."""
    if batch.failed > PLANNED:
        hint = f"jobman batch retry {batch.id} --dry-run"
        _write("retry", f"many members failed: {hint}", console, fact="retry", failed=batch.failed)
    elif batch.failed:
        _plan(batch, Scope.FAILED, "", console)
    elif batch.state in {State.CANCELLED, State.SKIPPED}:
        _plan(batch, Scope.ALL, "--scope all ", console)


def _plan(batch: Batch, scope: Scope, lead: str, console: Console) -> None:
    try:
        plan = actions.plan_batch_retry(batch.id, scope)
    except TransitionRefused as refusal:
        _write("retry", str(refusal), console, fact="retry", refused=str(refusal))
    else:
        values = {"scope": str(scope), **retry.values(plan)}
        _write("retry", lead + retry.told(plan), console, fact="retry", **values)
