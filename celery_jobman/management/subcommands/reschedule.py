"""``manage.py jobman reschedule``: give a waiting job another time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman import actions
from celery_jobman.insight.wording import ago, at
from celery_jobman.management import arguments, selection, standing

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console

HELP = "Give a waiting job another time."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_job(parser)
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument(
        "--at", type=arguments.moment, metavar="TIME", help="a date and time, '2026-01-31 12:00'"
    )
    when.add_argument(
        "--in",
        dest="delay",
        type=arguments.duration,
        metavar="DURATION",
        help="a time from now: 90s, 30m, 12h, 7d",
    )
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    job, now = selection.job(options["job"]), timezone.now()
    due = now + options["delay"] if options["at"] is None else options["at"]
    actions.reschedule(job.id, due, reason=options["reason"])
    text = f"begins {ago(due, now)}, at {at(due)}" if due > now else "begins now"
    standing.write(job.id, text, console, available_at=due)
