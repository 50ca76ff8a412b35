"""Crowd: more jobs and log lines than anyone wants to make one by one.  PostgreSQL writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from celery_jobman.models import Attempt, Batch, Job, JobAction, LogLine, Queue, Step, Worker
from celery_jobman.models.ids import uuid7

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

#: Seconds of the history that the jobs are spread over, for ids that grow as real ones do.
SPAN: Final = 30 * 86_400
#: Queues, workers and owners that the jobs are spread over, as the statement says.
QUEUES, WORKERS, OWNERS = 6, 8, 20

#: Nearly all jobs ended; the newest ones wait or run.
JOBS: Final = """
INSERT INTO jobman_job (id, task_id, task, label, queue, state, args, kwargs, preview, message,
  declared_steps, created_at, available_at, queued_at, started_at, finished_at, attempt, failures,
  crashes, releases, retries, delivery, trigger, current_step, progress_unit, progress_message,
  completed_code, error_class, error_message, fingerprint, cancel_forced, dispatch_error, root_id,
  group_id, tags, attribs, code_version, observed, eager, role, allow_failure, takes_result,
  worker_id, owner_id, batch_id)
SELECT id, id::text, 'shop.tasks.task_' || i %% 40, '', 'queue_' || i %% 6, state,
  '["a.csv"]', '{}', '"a.csv"', '{}', '[]', at, CASE state WHEN 'scheduled' THEN at END, at,
  CASE WHEN begun THEN at + interval '1 s' END,
  CASE WHEN ended THEN at + make_interval(secs => 1 + i %% 100) END,
  CASE WHEN begun THEN 1 ELSE 0 END, 0, 0, 0, 0, 1, 'automatic', '', '', '', '',
  CASE state WHEN 'failed' THEN 'builtins.ValueError' ELSE '' END,
  CASE state WHEN 'failed' THEN 'bad row' ELSE '' END,
  CASE state WHEN 'failed' THEN md5((i / 20 %% 50)::text) ELSE '' END, false, '', id::text, '',
  CASE i %% 500 WHEN 0 THEN '["nightly"]'::jsonb ELSE '[]' END, '{}', '', false, false,
  '', false, false,
  CASE WHEN begun THEN (%(workers)s::uuid[])[1 + i %% 8] END,
  CASE i %% 10 WHEN 0 THEN (%(owners)s::int[])[1 + i / 10 %% 20] END,
  CASE i %% 2 WHEN 0 THEN %(batch)s::uuid END
FROM (
  SELECT *, state NOT IN ('scheduled', 'blocked', 'queued', 'running') AS ended,
    state NOT IN ('blocked', 'queued') AND (state <> 'scheduled' OR i %% 3 = 0) AS begun,
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
    || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid AS id
  FROM (
    SELECT i, now() - make_interval(secs => %(span)s - i * %(pace)s) AS at,
      CASE WHEN i > %(count)s - 50 THEN 'running'
        WHEN i > %(count)s - 1050 THEN CASE i %% 2 WHEN 0 THEN 'queued' ELSE 'scheduled' END
        WHEN i %% 20 = 0 THEN 'failed' WHEN i %% 20 = 1 THEN 'cancelled'
        WHEN i %% 2000 = 2 THEN 'blocked' WHEN i %% 400 = 3 THEN 'skipped'
        ELSE 'succeeded' END AS state
    FROM generate_series(1, %(count)s) AS i) AS moments) AS made
"""

LINES: Final = """
INSERT INTO jobman_logline (job_id, attempt, step, at, level, logger, message)
SELECT job.id, 1, '', now(), 20, 'shop', 'line ' || i
FROM jobman_job AS job, generate_series(1, %s) AS i
"""

LOG: Final = """
INSERT INTO jobman_logline (job_id, attempt, step, at, level, logger, message)
SELECT %s, 1, '', now(), 20 + 10 * (i %% 50 = 0)::int, 'shop', 'line ' || i
FROM generate_series(1, %s) AS i
"""


def write(jobs: int, lines: int, log: int, batch: UUID | None = None) -> None:
    """Write so many jobs, with so many log lines each, and one with a long log.

    Some failed ones have an attempt, a step and an action.  Half of the jobs, and all that
    failed, are members of ``batch``.
    """
    workers = [_worker(number).pk for number in range(WORKERS)]
    owners = [_owner(number) for number in range(OWNERS)]
    Queue.objects.bulk_create([Queue(name=f"queue_{number}") for number in range(QUEUES)])
    values: dict[str, Any] = {"workers": workers, "owners": owners, "count": jobs, "batch": batch}
    with connection.cursor() as cursor:
        cursor.execute(JOBS, {**values, "span": SPAN, "pace": SPAN / jobs})
        cursor.execute(LINES, [lines])
        cursor.execute(LOG, [one(1).pk, log])
    _pasts()


def leave() -> None:
    """Delete what was written, and all other jobs and batches."""
    tables = (Job, Batch, Attempt, Step, LogLine, JobAction, Queue, Worker)
    with connection.cursor() as cursor:
        names = ", ".join(model._meta.db_table for model in tables)
        cursor.execute(f"TRUNCATE {names}")
    get_user_model()._default_manager.filter(username__startswith="owner_").delete()


def one(number: int) -> Job:
    """Return one of the oldest failed jobs; that with number 1 has the long log."""
    return Job.objects.filter(state="failed").order_by("id")[number]


def _worker(number: int) -> Worker:
    now = timezone.now()
    name, queues = f"celery@w{number}", [f"queue_{number % QUEUES}"]
    return Worker.objects.create(
        id=uuid7(), hostname=name, pid=1, pool="prefork", queues=queues, started_at=now, seen_at=now
    )


def _owner(number: int) -> int:
    user = get_user_model()(username=f"owner_{number}")
    user.save()
    return int(user.pk)


def _pasts() -> None:
    failed = Job.objects.filter(state="failed").order_by("id")[:2000]
    ids = list(failed.values_list("pk", "created_at"))
    Attempt.objects.bulk_create(_attempt(*each) for each in ids)
    Step.objects.bulk_create(_step(*each) for each in ids)
    now = timezone.now()
    JobAction.objects.bulk_create(
        JobAction(job_id=job_id, at=now, verb="retry", actor="ann") for job_id, _ in ids
    )


def _attempt(job_id: UUID, at: datetime) -> Attempt:
    error = {"error_class": "builtins.ValueError", "error_message": "bad row"}
    return Attempt(
        job_id=job_id, number=1, started_at=at, finished_at=at, outcome="failed", **error
    )


def _step(job_id: UUID, at: datetime) -> Step:
    return Step(job_id=job_id, name="parse", position=0, state="failed", attempt=1, started_at=at)
