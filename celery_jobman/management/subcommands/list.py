"""``manage.py jobman list``: the newest jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.insight.wording import ago, counted, fitted, one_line
from celery_jobman.management import arguments, facts, selection

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime

    from celery_jobman.management.console import Console
    from celery_jobman.models import Job

HELP = "List jobs, the newest first."


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        type=arguments.state,
        action="append",
        metavar="STATE",
        help="jobs in this state; may be given several times",
    )
    arguments.add_filters(parser)
    parser.add_argument(
        "--batch", metavar="ID", help="jobs of this batch, and of the batches inside it"
    )
    arguments.add_limit(parser, 20, "list at most N jobs")


def run(options: dict[str, Any], console: Console) -> None:
    limit, now = options["limit"], timezone.now()
    passing = selection.filtered(options)
    found = passing.filter(state__in=options["state"]) if options["state"] else passing
    asked = found.order_by("-id")[: limit + 1]
    jobs = list(asked)
    if not jobs:
        selection.complain(passing, options)
    for job in jobs[:limit]:
        console.fact(_line(job, now, console), **facts.brief(job))
    _total(jobs, limit, console, unreadable=asked.left_out)


def _line(job: Job, now: datetime, console: Console) -> str:
    age = ago(job.created_at, now)
    # Colours have no width; so the rest is fitted before they are added.
    head = f"{job.id}  {job.state:<9}  {age:<7}  "
    rest = _call(job, None if console.width is None else console.width - len(head))
    return f"{job.id}  {console.word(job.state, 9)}  {age:<7}  {rest}"


def _call(job: Job, width: int | None) -> str:
    """Return the job as a call, with the task's short name where the full one has no room."""
    call = one_line(f"{job.label or job.task}({job.preview})")
    if width is not None and len(call) > width:
        call = one_line(f"{(job.label or job.task).rpartition('.')[2]}({job.preview})")
    return fitted(call, width)


def _total(jobs: list[Job], limit: int, console: Console, *, unreadable: int) -> None:
    more = len(jobs) + unreadable > limit
    shown = min(len(jobs), limit)
    hint = "; there are more, see --limit" if more else ""
    console.fact(f"{counted(shown, 'job')}{hint}", total=shown, more=more)
