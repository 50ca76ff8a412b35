"""``manage.py jobman dispatch``: give the broker what is due, as workers do by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.core import schedule
from celery_jobman.insight.wording import counted
from celery_jobman.management import arguments

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console

HELP = "Give the broker the scheduled jobs that are due (workers do so by themselves)."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_limit(parser, 500, "send at most N messages")


def run(options: dict[str, Any], console: Console) -> None:
    began = timezone.now()
    sent = actions.dispatch(limit=options["limit"])
    console.fact(f"{counted(sent, 'message')} sent", total=sent)
    refused = schedule.refused().filter(available_at__gt=began).first()
    if refused is not None and not sent:
        raise CommandError(
            f"the broker refused: {refused.dispatch_error}; the jobs stay scheduled, and are"
            " sent when it is back"
        )
