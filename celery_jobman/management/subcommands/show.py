"""``manage.py jobman show``: everything about one job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.insight import explanation, workflows
from celery_jobman.insight.wording import (
    ago,
    at,
    counted,
    error,
    fitted,
    lasting,
    one_line,
    progress,
)
from celery_jobman.management import arguments, facts, selection
from celery_jobman.management.subcommands import steps
from celery_jobman.models import JobAction, LogLine, Worker
from celery_jobman.states import State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator
    from datetime import datetime

    from celery_jobman.management.console import Console
    from celery_jobman.models import Attempt, Job

HELP = "Show all there is to know of a job, and why it is not running."

#: Columns for the names of facts.
MARGIN = 11
#: Longest result shown to people; ``--json`` has all of it.
RESULT = 1000


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_job(parser)


def run(options: dict[str, Any], console: Console) -> None:
    job, now = selection.job(options["job"]), timezone.now()
    if console.as_json:
        console.fact("", kind="job", why=explanation.why(job, now), **facts.job(job))
    else:
        _describe(job, now, console)
    attempts = list(job.attempts.order_by("number"))
    for attempt in attempts:
        _attempt(attempt, now, console)
    steps.write(job, console, margin=MARGIN)
    for action in JobAction.objects.filter(job_id=job.id).order_by("id"):
        _action(action, now, console)
    if attempts and not console.as_json:
        _traceback(attempts[-1], console)


def _describe(job: Job, now: datetime, console: Console) -> None:
    console.fact(f"{job.id}  {console.word(job.state)}")
    for name, text in _facts(job, now):
        if text:
            console.fact(console.wrapped(f"{name:<{MARGIN}} {text}", MARGIN + 1))


def _facts(job: Job, now: datetime) -> Iterator[tuple[str, str]]:
    yield "why", one_line(explanation.why(job, now))
    yield "task", f"{job.task} ({job.label})" if job.label else job.task
    yield "arguments", job.preview
    yield "queue", job.queue if job.priority is None else f"{job.queue}, priority {job.priority}"
    yield "celery id", "" if job.task_id == str(job.id) else job.task_id
    yield from _relations(job)
    yield from _times(job, now)
    yield "counts", _counts(job)
    yield "worker", _worker(job)
    yield "progress", progress(job)
    yield "result", _result(job)
    yield "code", job.completed_code
    yield "error", "" if job.state == State.FAILED else _error(job)
    yield "log", counted(LogLine.objects.filter(job_id=job.id).count(), "line")


def _error(job: Job) -> str:
    return one_line(error(job.error_class, job.error_message))


def _relations(job: Job) -> Iterator[tuple[str, str]]:
    yield "owner", str(job.owner) if job.owner_id else ""
    yield "tags", ", ".join(map(str, job.tags))
    yield "attributes", facts.plain(job.attribs) if job.attribs else ""
    yield "parent", str(job.parent_id or "")
    yield from _membership(job)
    yield "fork of", str(job.retry_of or "")
    yield "replaced by", str(job.replaced_by or "")
    yield "version", job.code_version
    yield "kind", "plain task, only watched" if job.observed else ""
    yield "kind", "ran inside the calling process" if job.eager else ""


def _membership(job: Job) -> Iterator[tuple[str, str]]:
    around = workflows.link(job.batch_id)
    if around is not None:
        role = f"{job.role} callback of " if job.role else ""
        yield "batch", role + around.told
    yield "failure", "is allowed" if job.allow_failure else ""
    for name, link_id in (("link before", job.follows_id), ("link after", job.next_id)):
        found = workflows.link(link_id)
        yield name, found.told if found else ""


def _times(job: Job, now: datetime) -> Iterator[tuple[str, str]]:
    moments = {
        "created": job.created_at,
        "queued": job.queued_at,
        "started": job.started_at,
        "finished": job.finished_at,
        "expires": job.expires_at if not job.is_final else None,
        "last failed": job.last_failed_at if job.last_failed_at != job.finished_at else None,
    }
    for name, moment in moments.items():
        yield name, f"{at(moment)}, {ago(moment, now)}" if moment else ""


def _counts(job: Job) -> str:
    allowed = f" of {job.max_attempts} allowed" if job.max_attempts else ""
    words = [counted(job.attempt, "attempt"), counted(job.failures, "failure") + allowed]
    words += [counted(job.releases, "release")] if job.releases else []
    words += [counted(job.crashes, "lost worker")] if job.crashes else []
    return ", ".join(words)


def _worker(job: Job) -> str:
    if job.worker_id is None or job.is_final:
        return ""
    name = Worker.objects.filter(pk=job.worker_id).values_list("hostname", flat=True).first()
    return f"{name or job.worker_id}, pid {job.pid}"


def _result(job: Job) -> str:
    return "" if job.result is None else fitted(facts.plain(job.return_value), RESULT)


def _attempt(attempt: Attempt, now: datetime, console: Console) -> None:
    name = f"attempt {attempt.number}"
    took = lasting(attempt.finished_at - attempt.started_at)
    words = [f"{console.word(attempt.outcome)} {ago(attempt.finished_at, now)} after {took}"]
    words += [f"on {attempt.hostname}"] if attempt.hostname else []
    words += [f"resumed at {attempt.resumed_from}"] if attempt.resumed_from else []
    words += [f"started by {attempt.trigger}"] if attempt.trigger != "automatic" else []
    words += [f"{attempt.lines_dropped:,} log lines dropped"] if attempt.lines_dropped else []
    fault = error(attempt.error_class, attempt.error_message)
    text = ", ".join(words) + (f": {one_line(fault)}" if fault else "")
    line = console.wrapped(f"{name:<{MARGIN}} {text}", MARGIN + 1)
    console.fact(line, kind="attempt", **facts.attempt(attempt))


def _action(action: JobAction, now: datetime, console: Console) -> None:
    reason = f": {one_line(action.reason)}" if action.reason else ""
    text = f"{action.verb} by {action.actor} {ago(action.at, now)}{reason}"
    values = facts.action(action)
    line = console.wrapped(f"{'action':<{MARGIN}} {text}", MARGIN + 1)
    console.fact(line, kind="action", **values)


def _traceback(attempt: Attempt, console: Console) -> None:
    """Write the last attempt's traceback, as Python would have."""
    if attempt.traceback:
        console.fact(f"\n{attempt.traceback.rstrip()}")
