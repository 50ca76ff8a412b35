"""``manage.py jobman status``: how many jobs stand where, and who works."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Min
from django.utils import timezone

from celery_jobman.core import schedule
from celery_jobman.insight.wording import ago, counted, short
from celery_jobman.insight.workforce import Workforce
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.states import State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime

    from celery_jobman.management.console import Console

HELP = "Count the jobs in each state and queue, the unfinished workflows, and the workers."


def add_arguments(parser: ArgumentParser) -> None:
    """Take nothing of its own."""


def run(options: dict[str, Any], console: Console) -> None:  # noqa: ARG001 - all verbs' signature
    now = timezone.now()
    rows = Job.objects.order_by().values_list("state").annotate(count=Count("pk"))
    counts: dict[str, int] = dict(rows)
    workforce = Workforce.now()
    for state in State:
        _state(state, counts.get(state, 0), now, console)
    _workflows(console)
    _queues(workforce, console)
    busy = workforce.busy()
    workers, processes = len(workforce.workers), workforce.processes
    text = f"{'workers':<9} {workers:>9,}  running {busy} of at most {counted(processes, 'job')}"
    console.fact(text, kind="workers", alive=workers, processes=processes, busy=busy)
    total = sum(counts.values())
    console.fact(counted(total, "job"), total=total)


def _state(state: State, count: int, now: datetime, console: Console) -> None:
    details, values = _DETAILS.get(state, _no_details)(now) if count else ("", {})
    text = f"{console.word(state.value, 9)} {count:>9,}  {details}".rstrip()
    console.fact(text, kind="state", state=state.value, count=count, **values)


Details = tuple[str, dict[str, Any]]


def _no_details(now: datetime) -> Details:  # noqa: ARG001 - as the others
    return "", {}


def _queued(now: datetime) -> Details:
    oldest = Job.objects.filter(state=State.QUEUED).aggregate(at=Min("queued_at"))["at"]
    if oldest is None:
        return "", {}
    age = now - oldest
    return f"the oldest waits for {short(age)}", {"oldest_seconds": age.total_seconds()}


def _scheduled(now: datetime) -> Details:
    scheduled = Job.objects.filter(state=State.SCHEDULED)
    due = scheduled.aggregate(at=Min("available_at"))["at"]
    refused = schedule.refused().count()
    words = [f"the next begins {ago(due, now)}" if due > now else f"due for {short(now - due)}"]
    words += [f"{refused:,} refused by the broker"] if refused else []
    return ", ".join(words), {"next_at": due, "refused_by_broker": refused}


_DETAILS = {State.QUEUED: _queued, State.SCHEDULED: _scheduled}


def _workflows(console: Console) -> None:
    going = Batch.objects.roots().unfinished()
    count, stopping = going.count(), going.exclude(stopping=Stopping.NOT).count()
    details = f"  {stopping:,} being stopped" if stopping else ""
    text = f"{'workflows':<9} {count:>9,}{details}"
    console.fact(text, kind="workflows", count=count, stopping=stopping)


def _queues(workforce: Workforce, console: Console) -> None:
    held: dict[str, dict[str, int]] = defaultdict(dict)
    busy = Job.objects.filter(state__in=[State.QUEUED, State.RUNNING]).order_by()
    for queue, state, count in busy.values_list("queue", "state").annotate(count=Count("pk")):
        held[queue][state] = count
    for queue in sorted({*held, *workforce.queues}):
        queued, running = (held[queue].get(s, 0) for s in (State.QUEUED, State.RUNNING))
        takers = len(workforce.consuming(queue).workers)
        text = f"{queued:,} queued, {running:,} running, {counted(takers, 'worker')}"
        console.fact(
            f"queue     {queue}: {text}",
            kind="queue",
            queue=queue,
            queued=queued,
            running=running,
            workers=takers,
        )
