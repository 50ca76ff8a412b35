"""``manage.py jobman batch cancel``: cancel what waits in a batch, ask what runs to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman import actions
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.insight.wording import counted
from celery_jobman.management import arguments, selection, standing
from celery_jobman.models import Job
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console
    from celery_jobman.models import Batch

HELP = "Cancel the members of a batch that wait, and ask those that run to stop."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_batch(parser)
    arguments.add_dry_run(parser)
    arguments.add_yes(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    batch = selection.batch(options["batch"])
    if batch.is_final:
        hint = "it has ended"
        raise TransitionRefused(batch.id, "cancelled", batch.state, hint, noun="batch")
    open_jobs = selection.jobs_in(batch).filter(role="").exclude(state__in=sorted(FINAL))
    running = open_jobs.filter(state=State.RUNNING).count()
    waiting = open_jobs.count() - running
    if options["dry_run"]:
        text = f"would cancel {counted(waiting, 'job')} and ask {running:,} to stop"
        console.fact(f"{batch.id}  {text}", id=batch.id, waiting=waiting, running=running)
        console.fact("1 batch would be cancelled", total=1)
        return
    question = f"Cancel {counted(waiting + running, 'job')} of batch {batch.id}?"
    console.confirm(question, yes=options["yes"])
    standing.import_tasks(console)
    _cancel(batch, options["reason"], console)


def _cancel(batch: Batch, reason: str, console: Console) -> None:
    state = actions.cancel_batch(batch.id, reason=reason)
    batch.refresh_from_db()
    text = "cancelled"
    if state not in FINAL:
        running = Job.objects.filter(batch_id=batch.id, state=State.RUNNING).count()
        text = (
            f"is being cancelled; {counted(batch.pending, 'member')} pending, {running:,} running"
        )
    console.fact(f"{batch.id}  {text}", id=batch.id, state=state, pending=batch.pending)
    console.fact("1 batch cancelled", total=1)
