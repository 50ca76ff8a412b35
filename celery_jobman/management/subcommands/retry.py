"""``manage.py jobman retry``: run finished jobs again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.core.retries import REPLAYABLE
from celery_jobman.core.terms import Terms
from celery_jobman.exceptions import TransitionRefused, UnknownStep
from celery_jobman.insight.wording import counted, listed
from celery_jobman.management import arguments, selection, standing, tally
from celery_jobman.models import Step
from celery_jobman.runtime import registry
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable

    from celery_jobman.core.retries import Plan
    from celery_jobman.management.console import Console
    from celery_jobman.models import Job

HELP = "Run finished jobs again; their checkpoints are reused."


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_jobs(parser, "*")
    parser.add_argument("--all", action="store_true", help="all failed jobs")
    arguments.add_filters(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--from-step", metavar="STEP", help="run this step and all after it again")
    how.add_argument(
        "--skipped", metavar="STEP", help="run only the items again that this iteration skipped"
    )
    arguments.add_when(parser)
    parser.add_argument("--to-queue", metavar="NAME", help="send them to this queue")
    parser.add_argument(
        "--priority", type=arguments.priority, metavar="N", help="with this priority, 0 to 255"
    )
    arguments.add_dry_run(parser)
    arguments.add_yes(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    terms = _terms(options)
    _check_usage(options, terms)
    jobs = _chosen(options, console)
    if options["dry_run"]:
        act, done = partial(_preview, options=options, console=console), "would be retried"
    else:
        act, done = partial(_retry, options=options, terms=terms, console=console), "retried"
    tally.each(jobs, act, done, console)


def _check_usage(options: dict[str, Any], terms: dict[str, Any]) -> None:
    filtered = options["all"] or options["task"] or options["queue"]
    if bool(options["jobs"]) == bool(filtered):
        raise CommandError(
            "say which jobs: their ids, or --all, --task NAME or --queue NAME for the failed ones",
            returncode=2,
        )
    if options["skipped"] and set(terms.values()) != {None}:
        raise CommandError(
            "--skipped runs at once, in the same queue; leave out --at, --in, --to-queue and"
            " --priority",
            returncode=2,
        )


def _terms(options: dict[str, Any]) -> dict[str, Any]:
    """Return when, where and how urgently the jobs shall run; None as before.

    Raises:
        CommandError: No broker knows such a queue.
    """
    when = arguments.due(options, timezone.now())
    terms = {"when": when, "queue": options["to_queue"], "priority": options["priority"]}
    try:
        Terms(**terms)
    except ValueError as error:
        raise CommandError(str(error), returncode=2) from error
    return terms


def _chosen(options: dict[str, Any], console: Console) -> Iterable[Job]:
    """Return the jobs that are meant, once whoever asks is sure."""
    asks = not options["dry_run"]
    if not options["jobs"]:
        failed = selection.failed(options)
        count = failed.count()
        if asks and count:
            console.confirm(f"Retry {counted(count, 'failed job')}?", yes=options["yes"])
        return selection.walk(failed)
    jobs = selection.jobs(options["jobs"])
    succeeded = [str(job.id) for job in jobs if job.state == State.SUCCEEDED]
    if asks and succeeded:
        question = f"{', '.join(succeeded)} succeeded. Run again what succeeded?"
        console.confirm(question, yes=options["yes"])
    return jobs


def _retry(job: Job, options: dict[str, Any], terms: dict[str, Any], console: Console) -> None:
    why = {"actor": None, "reason": options["reason"]}
    how = {**why, **terms, "attempt": job.attempt}
    values: dict[str, Any] = {}
    if options["skipped"]:
        items = actions.replay_skipped(job.id, options["skipped"], **why)
        text, values["items"] = f"runs {counted(items, 'skipped item')} again", items
    elif options["from_step"]:
        text, values = _plan(actions.retry_from(job.id, options["from_step"], **how))
    else:
        text, values = _plan(actions.plan_retry(job.id))
        # Whoever named a job that succeeded has confirmed it.
        actions.retry(job.id, confirm_succeeded=True, **how)
    standing.write(job.id, text, console, **values)


def _preview(job: Job, options: dict[str, Any], console: Console) -> None:
    if job.state not in FINAL:
        raise TransitionRefused(job.id, "retried", job.state, "cancel it first, or wait")
    effects: dict[str, str] = {}
    if options["skipped"]:
        items = _skipped(job, options["skipped"])
        text, values = f"would run {counted(items, 'skipped item')} again", {"items": items}
    else:
        plan = actions.plan_retry(job.id, options["from_step"])
        effects = registry.effects(job.task, plan.again)
        text, values = _plan(plan)
    console.fact(f"{job.id}  {text}", id=job.id, **values, effects=effects)
    for step, effect in effects.items():
        console.note(f"  step {step} may act a second time: {effect}")


def _skipped(job: Job, step: str) -> int:
    rows = Step.objects.filter(job_id=job.id, superseded=0, state__in=REPLAYABLE)
    skipped = {row.name: len(row.skipped) for row in rows if row.skipped}
    if step not in skipped:
        raise UnknownStep(job.id, step, skipped)
    return skipped[step]


def _plan(plan: Plan) -> tuple[str, dict[str, Any]]:
    if not plan.reused and not plan.again:
        return "runs from the start", {"reused": [], "again": []}
    text = f"reuses {listed(plan.reused)}; runs {listed(plan.again)}"
    return text, {"reused": plan.reused, "again": plan.again}
