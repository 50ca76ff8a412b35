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
    arguments.add_when(parser, required=True)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    job, now = selection.job(options["job"]), timezone.now()
    due = arguments.due(options, now) or now
    actions.reschedule(job.id, due, reason=options["reason"])
    text = f"begins {ago(due, now)}, at {at(due)}" if due > now else "begins now"
    standing.write(job.id, text, console, available_at=due)
