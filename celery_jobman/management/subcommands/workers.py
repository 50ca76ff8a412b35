"""``manage.py jobman workers``: who works, on what, and who was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q
from django.utils import timezone

from celery_jobman.insight.wording import ago, counted, listed
from celery_jobman.insight.workforce import Workforce
from celery_jobman.management import facts
from celery_jobman.models import Job, Worker
from celery_jobman.states import State

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.management.console import Console

HELP = "List the workers that are alive, and those that were lost."


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also workers that stopped in order")


def run(options: dict[str, Any], console: Console) -> None:
    now, force = timezone.now(), Workforce.now()
    held = _held()
    counts = {"alive": 0, "lost": 0, "stopped": 0}
    shown = Worker.objects.all() if options["all"] else _interesting(held)
    for worker in shown.order_by("-seen_at"):
        standing = _standing(worker, force)
        counts[standing] += 1
        _write(worker, standing, held.get(worker.id, 0), now, console)
    text = f"{counts['alive']} alive, {counts['lost']} lost"
    text += f", {counts['stopped']} stopped" if counts["stopped"] else ""
    console.fact(text, total=sum(counts.values()), **counts)


def _held() -> dict[UUID | None, int]:
    running = Job.objects.filter(state=State.RUNNING).order_by()
    return dict(running.values_list("worker_id").annotate(count=Count("pk")))


def _interesting(held: dict[UUID | None, int]) -> Any:
    holding = [worker_id for worker_id in held if worker_id]
    return Worker.objects.filter(Q(stopped_at__isnull=True) | Q(pk__in=holding))


def _standing(worker: Worker, force: Workforce) -> str:
    if worker.stopped_at:
        return "stopped"
    return "alive" if force.has(worker) else "lost"


def _write(worker: Worker, standing: str, held: int, now: datetime, console: Console) -> None:
    last = worker.stopped_at or worker.seen_at
    words = [f"seen {ago(last, now)}" if standing != "stopped" else f"stopped {ago(last, now)}"]
    words += [f"{worker.pool} x{worker.concurrency}", f"queues {listed(worker.queues)}"]
    words += [f"runs {held}"] if standing == "alive" or held else []
    words += [f"holds {counted(worker.reserved, 'more message')}"] if worker.reserved else []
    words += [f"pid {worker.pid}"]
    text = f"{worker.hostname}  {console.word(standing, 7)}  {', '.join(words)}"
    console.fact(text, standing=standing, running=held, **facts.worker(worker))
