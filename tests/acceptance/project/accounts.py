"""What the soak asks of the project, beside what other tests do."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import celery
from django.db import connection

from celery_jobman.models import Attempt, Job, LogLine, Worker
from celery_jobman.runtime import messages
from celery_jobman.states import State
from tests.acceptance.project import toil
from tests.acceptance.project.effects.models import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECTIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
}

_JOB = (
    "id", "task", "state", "attempt", "created_at", "started_at", "finished_at", "error_class",
    "progress_current", "progress_total", "progress_message",
)  # fmt: skip
_ATTEMPT = (
    "job_id", "number", "started_at", "finished_at", "outcome", "error_class", "worker_id",
    "hostname", "pid", "trigger", "lines_dropped",
)  # fmt: skip


def toil_at(task: str, arguments: list[Any], **options: Any) -> str:
    """Enqueue a job of the soak and return its id."""
    return str(getattr(toil, task).apply_async(arguments, **options).id)


def toil_in_chain(links: list[tuple[str, list[Any]]], queue: str) -> str:
    """Enqueue Celery's own chain of jobs and return the id of the last one's result."""
    signatures = [getattr(toil, task).si(*words).set(queue=queue) for task, words in links]
    return str(celery.chain(*signatures).apply_async().id)


def accounts(queue: str) -> list[dict[str, Any]]:
    """Return every job of a queue, with its attempts, its effects and the lines it logged."""
    jobs = Job.objects.filter(queue=queue)
    ids = jobs.values("id")
    attempts = _by_job(Attempt.objects.filter(job_id__in=ids).order_by("number").values(*_ATTEMPT))
    effects = _by_job(
        {**row, "job_id": row["job"]} for row in Effect.objects.values("job", "attempt", "name")
    )
    said = LogLine.objects.filter(job_id__in=ids, logger=toil.__name__)
    lines = _by_job(said.order_by("id").values("job_id", "attempt", "message"))
    return [
        {
            **{name: getattr(row, name) for name in _JOB},
            "id": str(row.id),
            "tag": messages.decode(row.args)[0],
            "attempts": attempts[str(row.id)],
            "effects": effects[str(row.id)],
            "lines": lines[str(row.id)],
        }
        for row in jobs
    ]


def _by_job(rows: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[str(row["job_id"])].append(row)
    return found


def held(hostname: str) -> list[dict[str, Any]]:
    """Return the jobs that a worker runs now."""
    started = Worker.objects.filter(hostname=hostname).values("id")
    rows = Job.objects.filter(state=State.RUNNING, worker_id__in=started)
    return [dict(row) for row in rows.order_by("id").values("id", "attempt", "pid")]


def connections() -> int:
    """Count the connections to the database."""
    with connection.cursor() as cursor:
        cursor.execute(CONNECTIONS[connection.vendor])
        (count,) = cursor.fetchone()
    return int(count)
