"""``manage.py jobman prune``: delete what is old.  Meant for a daily cron job, with ``--yes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.management.base import CommandError
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.conf import settings
from celery_jobman.core import pruning, workers
from celery_jobman.insight.wording import counted, lasting
from celery_jobman.management import arguments
from celery_jobman.states import State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime, timedelta

    from celery_jobman.management.console import Console
    from celery_jobman.models.job import JobQuerySet

HELP = "Delete jobs and workflows that ended long ago, with their attempts, steps and logs."


_OVER = "batches of workflows whose jobs have all gone"
_GONE = f"workers not seen for more than {lasting(workers.GONE_AFTER)}"


class Heap(NamedTuple):
    """Jobs that are old by one of the rules."""

    what: str
    jobs: JobQuerySet


def add_arguments(parser: ArgumentParser) -> None:
    age = parser.add_mutually_exclusive_group()
    age.add_argument(
        "--days",
        dest="age",
        type=arguments.days,
        metavar="N",
        help='jobs that ended more than N days ago (default: JOBMAN["PRUNE_AFTER"], 180 days)',
    )
    age.add_argument(
        "--hours", dest="age", type=arguments.hours, metavar="N", help="the same in hours"
    )
    parser.add_argument(
        "--cancelled",
        type=arguments.hours,
        metavar="HOURS",
        help="cancelled jobs already when they ended so long ago",
    )
    parser.add_argument(
        "--unfinished",
        type=arguments.hours,
        metavar="HOURS",
        help="also jobs that were enqueued so long ago and still wait",
    )
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument(
        "--logs", action="store_true", help="keep the jobs and their steps; delete only their logs"
    )
    keep.add_argument(
        "--trim", action="store_true", help="keep the jobs; delete only their logs and steps"
    )
    arguments.add_dry_run(parser)
    arguments.add_yes(parser)
    arguments.add_reason(parser)


def run(options: dict[str, Any], console: Console) -> None:
    trims = options["trim"] or options["logs"]
    if trims and options["unfinished"] is not None:
        raise CommandError(
            "--trim and --logs are for jobs that ended; --trim would delete the checkpoints that"
            " unfinished jobs go on from; leave out --unfinished",
            returncode=2,
        )
    now = timezone.now()
    heaps = list(_heaps(options, now))
    counts = [heap.jobs.count() for heap in heaps]
    total = sum(counts)
    deed = "trimmed" if trims else "deleted"
    if options["dry_run"]:
        for heap, count in zip(heaps, counts, strict=True):
            _write(heap.what, count, f"would be {deed}", console)
        if not trims:
            _preview_others(_age(options), now, console)
        console.fact(f"{counted(total, 'job')} would be {deed}", total=total)
        return
    if total:
        what = _part(options)
        console.confirm(f"Delete {what}{counted(total, 'job')} for good?", yes=options["yes"])
    done = [_clear(heap, options) for heap in heaps]
    for heap, count in zip(heaps, done, strict=True):
        _write(heap.what, count, deed, console)
    if not trims:
        _clear_others(_age(options), now, console)
    console.fact(f"{counted(sum(done), 'job')} {deed}", total=sum(done))


def _age(options: dict[str, Any]) -> timedelta:
    age: timedelta = settings().prune_after if options["age"] is None else options["age"]
    return age


def _preview_others(age: timedelta, now: datetime, console: Console) -> None:
    """Say how many rows of other tables would go."""
    if over := pruning.prunable_batches(now - age).count():
        _write(_OVER, over, "would be deleted", console)
    if gone := workers.gone(now=now).count():
        _write(_GONE, gone, "would be deleted", console)


def _clear_others(age: timedelta, now: datetime, console: Console) -> None:
    if over := actions.prune_batches(now - age):
        _write(_OVER, over, "deleted", console)
    if gone := actions.forget_workers():
        _write(_GONE, gone, "deleted", console)


def _heaps(options: dict[str, Any], now: datetime) -> list[Heap]:
    age = _age(options)
    heaps = [Heap(f"ended more than {lasting(age)} ago", pruning.prunable(now - age))]
    if (sooner := options["cancelled"]) is not None:
        old = pruning.prunable(now - sooner, frozenset({State.CANCELLED}))
        recent = old.exclude(finished_at__lt=now - age)
        heaps.append(Heap(f"cancelled more than {lasting(sooner)} ago", recent))
    if (wait := options["unfinished"]) is not None:
        what = f"enqueued more than {lasting(wait)} ago and still waiting"
        heaps.append(Heap(what, pruning.abandoned(now - wait, now)))
    return heaps


def _part(options: dict[str, Any]) -> str:
    if options["logs"]:
        return "the logs of "
    return "the logs and steps of " if options["trim"] else ""


def _clear(heap: Heap, options: dict[str, Any]) -> int:
    if options["trim"] or options["logs"]:
        return actions.trim(heap.jobs, logs_only=options["logs"], reason=options["reason"])
    return actions.prune(heap.jobs, reason=options["reason"])


def _write(what: str, count: int, deed: str, console: Console) -> None:
    console.fact(f"{count:>9,}  {what}: {deed}", what=what, count=count)
