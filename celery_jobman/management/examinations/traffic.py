"""Examinations of the traffic: whether jobs find workers, and workers keep what they took."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Max, Min, Sum

from celery_jobman.conf import settings
from celery_jobman.core import schedule
from celery_jobman.core.schedule import UNKNOWN_TASK
from celery_jobman.insight.wording import counted, listed, short
from celery_jobman.insight.workforce import hire
from celery_jobman.management.examinations import advice, ok, wrong
from celery_jobman.models import Attempt, Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from celery_jobman.insight.workforce import Workforce
    from celery_jobman.management.examinations import Finding
    from celery_jobman.models.job import JobQuerySet

#: A job that has been due for so long, and is not sent, has been forgotten.
OVERDUE = timedelta(seconds=30)
#: Most tasks that one finding names.
NAMED = 10
#: Messages of one job after which it is strange that nobody has begun it.
SENDINGS = 4
#: Newest attempts that are searched for dropped lines.
NEWEST = 10_000


def workers(force: Workforce) -> Finding:
    """Say whether anybody works."""
    if force.workers:
        names = listed(worker.hostname for worker in force.workers)
        return ok(f"{counted(len(force.workers), 'worker is', 'workers are')} alive: {names}")
    silence = short(settings().worker_lost_after)
    return wrong(
        f"no worker has given a sign of life within {silence}",
        f"start one: {hire()}",
    )


def names(force: Workforce) -> Finding:
    """Say whether two live workers share a name."""
    hosts = [worker.hostname for worker in force.workers]
    doubled = sorted({name for name in hosts if hosts.count(name) > 1})
    if not doubled:
        return ok("every live worker has a name of its own")
    return wrong(
        f"several live workers share a name: {', '.join(doubled)}",
        f"start each with its own: {hire()} -n NAME@%h",
    )


def versions(force: Workforce) -> Finding:
    """Say whether the live workers run the same versions."""
    hosts: dict[str, dict[str, list[str]]] = {}
    for worker in force.workers:
        for name, version in worker.versions.items():
            hosts.setdefault(name, {}).setdefault(str(version), []).append(worker.hostname)
    unlike = {name: found for name, found in sorted(hosts.items()) if len(found) > 1}
    if not unlike:
        return ok("all live workers run the same versions")
    texts = [
        f"{name} {version} on {', '.join(found[version])}"
        for name, found in unlike.items()
        for version in sorted(found)
    ]
    return advice(
        f"live workers run different versions: {'; '.join(texts)}",
        "restart those that were left behind; during a deploy this passes by itself",
    )


def queues(force: Workforce) -> Iterator[Finding]:
    """Say which queues hold jobs that no live worker will take."""
    if not force.workers:
        return
    rows = Job.objects.filter(state=State.QUEUED).order_by().values_list("queue")
    forsaken = [
        (queue, count)
        for queue, count in rows.annotate(count=Count("pk"))
        if not force.consuming(queue).workers
    ]
    for queue, count in forsaken:
        yield wrong(
            f"queue {queue!r} holds {counted(count, 'job')}, and no live worker consumes it",
            f"start one: {hire(queue)}",
        )
    if not forsaken:
        yield ok("every queue that holds jobs has a live worker")


def orphans(force: Workforce, now: datetime) -> Finding:
    """Say whether jobs are held by workers that are dead."""
    patience = settings().worker_lost_after + settings().rescue_every
    held = force.orphans().filter(started_at__lt=now - patience)
    count = held.count()
    if not count:
        return ok("every running job is on a live worker")
    return wrong(
        f"{counted(count, 'job is', 'jobs are')} held by workers that are dead",
        "start a worker, which takes them back, or run manage.py jobman rescue",
    )


def refused() -> Finding:
    """Say whether jobs wait because the broker did not take their messages."""
    held = schedule.refused()
    newest = held.order_by("-available_at").first()
    if newest is None:
        return ok("no job waits for the broker")
    return wrong(
        f"{counted(held.count(), 'job waits', 'jobs wait')} for the broker, which last said:"
        f" {newest.dispatch_error}",
        "mend the broker; workers then send them, or manage.py jobman dispatch does",
    )


def _tasks(held: JobQuerySet) -> str:
    return listed(sorted(held.order_by().values_list("task", flat=True).distinct()[:NAMED]))


def unknown() -> Finding:
    """Say whether jobs wait for a worker that knows their task."""
    held = Job.objects.filter(state=State.SCHEDULED, dispatch_error__startswith=UNKNOWN_TASK)
    count = held.count()
    if not count:
        return ok("no job waits for a worker that knows its task")
    return wrong(
        f"{counted(count, 'job waits', 'jobs wait')} for a worker that knows the task:"
        f" {_tasks(held)}",
        "deploy the code that has the tasks and restart the workers, or cancel the jobs",
    )


def overdue(force: Workforce, now: datetime) -> Finding:
    """Say whether jobs are due that nobody sends."""
    late = Job.objects.due(now - OVERDUE).filter(dispatch_error="").order_by()
    count, since = late.aggregate(count=Count("pk"), since=Min("available_at")).values()
    if not count:
        return ok("no scheduled job is overdue")
    cause = (
        "no worker is alive to send them" if not force.workers else "the workers do not send them"
    )
    return wrong(
        f"{counted(count, 'job is', 'jobs are')} overdue for up to {short(now - since)}: {cause}",
        "start a worker, or run manage.py jobman dispatch; then read the workers' own logs",
    )


def unbegun() -> Finding:
    """Say whether jobs were sent again and again, and no worker began any."""
    held = Job.objects.filter(
        state__in=[State.QUEUED, State.SCHEDULED], attempt=0, delivery__gte=SENDINGS
    )
    count = held.count()
    if not count:
        return ok("no job was sent again and again without being begun")
    return wrong(
        f"{counted(count, 'job was', 'jobs were')} sent {SENDINGS} times or more, and never begun:"
        f" {_tasks(held)}",
        "messages get lost, or workers take them and do not begin: look for workers of another"
        " app or of older code, and for what fails before the task, such as before_start",
    )


def dropped_lines() -> Finding:
    """Say whether log lines were lost of late."""
    newest = Attempt.objects.aggregate(id=Max("id"))["id"] or 0
    recent = Attempt.objects.filter(id__gt=newest - NEWEST, lines_dropped__gt=0)
    count = recent.aggregate(sum=Sum("lines_dropped"))["sum"] or 0
    if not count:
        return ok("no log line was dropped of late")
    return advice(
        f"{counted(count, 'log line was', 'log lines were')} dropped of late",
        'jobs log more than JOBMAN["LOG_LINES"] each, or faster than the database takes it:'
        ' log less, or raise JOBMAN["LOG_BUFFER"]',
    )
