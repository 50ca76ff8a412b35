"""``manage.py jobman flush``: delete the failed jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman import actions
from celery_jobman.core import pruning
from celery_jobman.insight.wording import counted
from celery_jobman.management import arguments, selection

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console

HELP = "Delete all failed jobs, or those of a task or queue."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_filters(parser)
    arguments.add_dry_run(parser)
    arguments.add_yes(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    everything = selection.failed(options)
    failed = pruning.settled(everything)
    count = failed.count()
    if spared := everything.count() - count:
        console.note(f"  {spared:,} more stay: their workflows have not finished")
    if options["dry_run"]:
        console.fact(f"{counted(count, 'failed job')} would be deleted", total=count)
        return
    if count:
        question = f"Delete {counted(count, 'failed job')} for good?"
        console.confirm(question, yes=options["yes"])
    deleted = actions.prune(failed, reason=options["reason"], verb="flush")
    console.fact(f"{counted(deleted, 'failed job')} deleted", total=deleted)
