"""``manage.py jobman steps``: the steps of a job, and the items they skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.insight.wording import counted, done_of, lasting, one_line
from celery_jobman.management import arguments, facts, selection
from celery_jobman.models import Step, StepState
from celery_jobman.states import State

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from celery_jobman.management.console import Console
    from celery_jobman.models import Job

HELP = "List the steps of a job, or the items that they skipped."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_job(parser)
    parser.add_argument(
        "--all", action="store_true", help="also what was set aside by a retry from a step"
    )
    parser.add_argument("--skipped", action="store_true", help="list the items that were skipped")


def run(options: dict[str, Any], console: Console) -> None:
    job = selection.job(options["job"])
    if options["skipped"]:
        _skipped_items(job, console)
        return
    count = write(job, console, with_superseded=options["all"])
    console.fact(counted(count, "step"), total=count)


def write(job: Job, console: Console, *, with_superseded: bool = False, margin: int = 0) -> int:
    """Write a line for each step, recorded or only declared; return how many."""
    missing = "not run" if job.state == State.SUCCEEDED else "not begun"
    live = {row.name: row for row in job.steps.filter(superseded=0)}
    names = [*job.declared_steps, *(name for name in live if name not in job.declared_steps)]
    lead = f"{'step':<{margin}} " if margin else ""
    width = max(map(len, names), default=0)
    for name in names:
        row = live.get(name)
        text = _describe(row, job, console) if row else missing
        values = facts.step(row) if row else {"name": name, "state": None}
        console.fact(f"{lead}{name:<{width}}  {text}", kind="step", **values)
    aside = job.steps.exclude(superseded=0) if with_superseded else Step.objects.none()
    for row in aside:
        text = f"{_describe(row, job, console)}, set aside by retry {row.superseded} from a step"
        console.fact(f"{lead}{row.name:<{width}}  {text}", kind="step", **facts.step(row))
    return len(names) + len(aside)


def _describe(row: Step, job: Job, console: Console) -> str:
    stopped = row.state == StepState.RUNNING and job.state != State.RUNNING
    state = "unfinished" if stopped else row.state
    words = [f"{console.word(state, 10)}  attempt {row.attempt}"]
    if row.finished_at:
        words.append(f"took {lasting(row.finished_at - row.started_at)}")
    if row.done is not None:
        words.append(done_of(row.done, row.total))
    if row.skipped:
        words.append(f"{len(row.skipped):,} skipped")
    if row.state == StepState.FAILED and row.error_message:
        words.append(one_line(row.error_message))
    return ", ".join(words)


def _skipped_items(job: Job, console: Console) -> None:
    total = 0
    for row in job.steps.filter(superseded=0):
        for entry in row.skipped:
            item = facts.plain(entry["item"])
            text = f"{row.name}  item {entry['index']}  {item}  {one_line(entry['error'])}"
            console.fact(text, step=row.name, **facts.skipped(entry))
        total += len(row.skipped)
    console.fact(counted(total, "skipped item"), total=total)
