"""What a test may ask of the project; run inside it by :mod:`tests.acceptance.project.driver`."""

from __future__ import annotations

import io
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery import chain, chord, group
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.models import Attempt, Job, LogLine, Step, Worker
from celery_jobman.runtime import broker, messages, queues
from celery_jobman.states import State
from tests.acceptance import gates
from tests.acceptance.project import tasks
from tests.acceptance.project.celery import app
from tests.acceptance.project.effects.models import Effect

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet


#: Statements that return statements, one for each connection.
CUT_POSTGRESQL = """
SELECT format('SELECT pg_terminate_backend(%s)', pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""
CUT_MARIADB = """
SELECT concat('KILL CONNECTION ', id) FROM information_schema.processlist
WHERE id <> connection_id() AND db = database()
"""

#: Columns of a job that a ledger shows.
LEDGER = (
    "task", "state", "attempt", "delivery", "available_at", "started_at", "finished_at",
    "worker_id", "dispatch_error",
)  # fmt: skip


def enqueue(task: str, arguments: list[Any], **options: Any) -> str:
    """Call a task's ``apply_async`` and return the id of the result."""
    return str(getattr(tasks, task).apply_async(arguments, **options).id)


def enqueue_many(task: str, argument_lists: list[list[Any]], **options: Any) -> list[str]:
    """Call a task's ``apply_async`` once for each list of arguments."""
    return [enqueue(task, arguments, **options) for arguments in argument_lists]


def enqueue_chain(task: str, tags: list[str], queue: str) -> list[str]:
    """Enqueue a chain of a task, a link for each tag; return the ids of its links in order."""
    links = [getattr(tasks, task).si(tag).set(queue=queue) for tag in tags]
    result, found = chain(*links).apply_async(), list[str]()
    while result is not None:
        found.insert(0, str(result.id))
        result = result.parent
    return found


def enqueue_links(links: list[list[Any]], queue: str) -> list[str]:
    """Enqueue a chain of tasks, each with its arguments; return the ids of its jobs in order."""
    known = set(Job.objects.filter(queue=queue).values_list("pk", flat=True))
    chain(*(getattr(tasks, task).si(*words).set(queue=queue) for task, *words in links))()
    new = Job.objects.filter(queue=queue).exclude(pk__in=known).order_by("pk")
    return [str(job_id) for job_id in new.values_list("pk", flat=True)]


def enqueue_diamond(queue: str, first: str, one: str, other: str, last: str) -> list[str]:
    """Enqueue a task, then a failing one and another side by side, then a task for both."""
    touch = [tasks.touch.si(tag).set(queue=queue) for tag in (first, other, last)]
    both = group(tasks.failing.si(one, 3).set(queue=queue), touch[1])
    (touch[0] | both | touch[2]).delay()
    jobs = Job.objects.filter(queue=queue).order_by("pk")
    return [str(job_id) for job_id in jobs.values_list("pk", flat=True)]


def enqueue_chord(queue: str, header: list[list[Any]], last: str) -> list[str]:
    """Enqueue a chord to which no chain leads; return its jobs, the body last."""
    parts = [getattr(tasks, name).si(*arguments).set(queue=queue) for name, *arguments in header]
    chord(parts)(tasks.touch.si(last).set(queue=queue))
    jobs = Job.objects.filter(queue=queue).order_by(F("follows_id").asc(nulls_first=True), "pk")
    return [str(job_id) for job_id in jobs.values_list("pk", flat=True)]


def enqueue_map(queue: str, tags: list[str]) -> str:
    """Enqueue one job that calls a task with each tag."""
    result = tasks.quiet.map(tags).apply_async(queue=queue)
    return str(Job.objects.get(task_id=result.id).pk)


def enqueue_in_transaction(task: str, arguments: list[Any], **options: Any) -> str:
    """Enqueue a job inside a transaction, as a web request does; pass a gate before its end."""
    with transaction.atomic():
        job_id = enqueue(task, arguments, **options)
        gates.reached("before the commit")
    return job_id


def deliver_again(job_id: str) -> None:
    """Publish the message again that a job was, or will be, begun by."""
    row = Job.objects.get(pk=job_id)
    row.attempt -= row.state not in {State.QUEUED, State.SCHEDULED}
    broker.publish(row)


def cut_connections() -> None:
    """Cut every connection to the database but this one."""
    execute_all = {"postgresql": CUT_POSTGRESQL, "mysql": CUT_MARIADB}[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(execute_all)
        for (statement,) in cursor.fetchall():
            with suppress(OperationalError):  # it has gone by itself
                cursor.execute(statement)


def depth(queue: str) -> int:
    """Count the messages that wait in the broker."""
    return queues.depth(queue, app) or 0


def ledger(queue: str) -> dict[str, dict[str, Any]]:
    """Return every job of a queue by its tag, with its attempts and effects."""
    entries = (_entry(row) for row in Job.objects.filter(queue=queue))
    return {entry["tag"]: entry for entry in entries}


def _entry(row: Job) -> dict[str, Any]:
    entry = {name: getattr(row, name) for name in LEDGER} | {"id": str(row.id)}
    entry["tag"] = messages.decode(row.args)[0]
    entry["parent"] = str(row.parent_id)
    return entry | {"attempts": attempts(str(row.id)), "effects": effects(str(row.id))}


def orphans() -> dict[str, int]:
    """Count rows that belong to nothing."""
    running = Job.objects.filter(state=State.RUNNING)
    jobs = Job.objects.values("id")
    return {
        "running jobs without a worker": running.exclude(
            worker_id__in=Worker.objects.filter(stopped_at=None).values("id")
        ).count(),
        "attempts of no job": Attempt.objects.exclude(job_id__in=jobs).count(),
        "steps of no job": Step.objects.exclude(job_id__in=jobs).count(),
        "lines of no job": LogLine.objects.exclude(job_id__in=jobs).count(),
    }


def send_again(job_id: str, times: int) -> None:
    """Publish a queued job's message once more, as a broker does that delivers twice."""
    for _ in range(times):
        broker.publish(Job.objects.get(pk=job_id))


def timed_enqueue(task: str, arguments: list[Any], **options: Any) -> dict[str, Any]:
    """Return the id, the seconds ``apply_async`` took, and those it took to drop the result."""
    began = time.monotonic()
    result = getattr(tasks, task).apply_async(arguments, **options)
    returned = time.monotonic()
    job_id = str(result.id)
    del result
    dropped = time.monotonic()
    return {"id": job_id, "seconds": returned - began, "dropping": dropped - returned}


def result(job_id: str, timeout: float) -> Any:
    """Return what Celery's result backend has."""
    return app.AsyncResult(job_id).get(timeout=timeout)


def act(verb: str, job_id: str, **options: Any) -> Any:
    """Call one of :mod:`celery_jobman.actions`."""
    return getattr(actions, verb)(job_id, **options)


def put_off(job_id: str, seconds: float) -> None:
    """Reschedule a job to so many seconds from now."""
    actions.reschedule(UUID(job_id), timezone.now() + timedelta(seconds=seconds))


def job(job_id: str) -> dict[str, Any]:
    """Return a job's row."""
    row = Job.objects.get(pk=job_id)
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def jobs(queue: str) -> dict[str, dict[str, Any]]:
    """Return state and attempt of every job of a queue, by id."""
    rows = Job.objects.filter(queue=queue).values_list("id", "state", "attempt")
    return {str(job_id): {"state": state, "attempt": number} for job_id, state, number in rows}


def found(reference: str) -> str:
    """Return the id of the job that a reference means, such as Celery's id of it."""
    return str(actions.find(reference).pk)


def states(queue: str) -> dict[str, int]:
    """Count a queue's jobs by state."""
    return dict(Counter(Job.objects.filter(queue=queue).values_list("state", flat=True)))


def attempts(job_id: str) -> list[dict[str, Any]]:
    """Return a job's attempts in order."""
    return _rows(Attempt.objects.filter(job_id=job_id).order_by("number"))


def steps(job_id: str) -> list[dict[str, Any]]:
    """Return a job's live steps in order."""
    return _rows(Step.objects.filter(job_id=job_id, superseded=0).order_by("position"))


def lines(job_id: str) -> list[dict[str, Any]]:
    """Return a job's log."""
    return _rows(LogLine.objects.filter(job_id=job_id).order_by("id"))


def effects(job_id: str) -> list[dict[str, Any]]:
    """Return what a job's task did, in order."""
    return _rows(Effect.objects.filter(job=job_id).order_by("id"))


def workers() -> list[dict[str, Any]]:
    """Return the workers that ever registered."""
    return _rows(Worker.objects.order_by("started_at"))


def manage(*arguments: str) -> str:
    """Run a management command and return what it wrote."""
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def execute(statement: str) -> None:
    """Send a statement to the database."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def last_signs(queue: str) -> dict[str, float]:
    """Return when each of a queue's workers was seen last, in seconds, by the database's clock."""
    consuming = [row for row in Worker.objects.all() if queue in row.queues]
    return {row.hostname: row.seen_at.timestamp() for row in consuming}


def _rows(rows: QuerySet[Model]) -> list[dict[str, Any]]:
    return list(rows.values())
