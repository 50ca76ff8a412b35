"""``manage.py jobman cancel``: stop jobs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from celery_jobman import actions
from celery_jobman.conf import settings
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.insight.wording import short
from celery_jobman.management import arguments, selection, standing, tally
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console
    from celery_jobman.models import Job

HELP = "Cancel waiting jobs, and ask running ones to stop."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_jobs(parser)
    parser.add_argument(
        "--force", action="store_true", help="stop a running job without waiting for a checkpoint"
    )
    arguments.add_dry_run(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    jobs = selection.jobs(options["jobs"])
    standing.import_tasks(console)
    if options["dry_run"]:
        tally.each(jobs, partial(_preview, console=console), "would be cancelled", console)
    else:
        act = partial(_cancel, options=options, console=console)
        with actions.cancelling_many():
            tally.each(jobs, act, "cancelled or asked to stop", console)


def _preview(job: Job, console: Console) -> None:
    if job.state in FINAL:
        raise TransitionRefused(job.id, "cancelled", job.state, "it has ended")
    text = "would be asked to stop" if job.state == State.RUNNING else "would be cancelled"
    console.fact(f"{job.id}  {text}", id=job.id, state=job.state)


def _cancel(job: Job, options: dict[str, Any], console: Console) -> None:
    force = options["force"]
    state = actions.cancel(job.id, force=force, reason=options["reason"])
    console.fact(f"{job.id}  {_became(state, force=force)}", id=job.id, state=state)


def _became(state: State, *, force: bool) -> str:
    if state == State.CANCELLED:
        return "cancelled"
    if force:
        return "is being stopped by force"
    grace = short(settings().cancel_grace)
    return f"asked to stop; stops at its next checkpoint, or by force in {grace}"
