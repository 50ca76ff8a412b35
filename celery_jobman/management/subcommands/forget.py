"""``manage.py jobman forget``: delete single jobs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from celery_jobman import actions
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.insight.wording import counted
from celery_jobman.management import arguments, selection, tally
from celery_jobman.states import FINAL

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console
    from celery_jobman.models import Job

HELP = "Delete finished jobs, with their attempts, steps and logs."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_jobs(parser)
    arguments.add_dry_run(parser)
    arguments.add_yes(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    jobs = selection.jobs(options["jobs"])
    if options["dry_run"]:
        tally.each(jobs, partial(_preview, console=console), "would be deleted", console)
        return
    console.confirm(f"Delete {counted(len(jobs), 'job')} for good?", yes=options["yes"])
    act = partial(_forget, reason=options["reason"], console=console)
    tally.each(jobs, act, "deleted", console)


def _preview(job: Job, console: Console) -> None:
    if job.state not in FINAL:
        raise TransitionRefused(job.id, "forgotten", job.state, "cancel it first, or wait")
    console.fact(f"{job.id}  would be deleted", id=job.id)


def _forget(job: Job, reason: str, console: Console) -> None:
    actions.forget(job.id, reason=reason)
    console.fact(f"{job.id}  deleted", id=job.id)
