"""``manage.py jobman rescue``: take back what dead workers held, as live workers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman import actions
from celery_jobman.insight.wording import counted
from celery_jobman.management import arguments, standing

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console

HELP = "Take back jobs whose worker died (live workers do so by themselves)."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_limit(parser, 500, "take back at most N jobs")


def run(options: dict[str, Any], console: Console) -> None:
    standing.import_tasks(console)
    rescued = actions.rescue_lost(limit=options["limit"])
    for entry in rescued:
        text = f"{entry.job_id}  {console.word(entry.state, 9)}  {entry.task}: {entry.error}"
        console.fact(text, id=entry.job_id, state=entry.state, task=entry.task, error=entry.error)
    console.fact(f"{counted(len(rescued), 'job')} taken back", total=len(rescued))
