"""Rows to measure on, and a small twin of the tables that hold them.

The twin has the same tables in a schema of its own, with a few of the jobs.  ``small()`` lets
the same page be drawn from it, so that a page of a full database and of a nearly empty one can be
measured in turn.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from django.db import connection
from django.utils import timezone

from celery_jobman.models import Attempt, Job, JobAction, LogLine, Queue, Step, Worker
from celery_jobman.models.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds of the history that the jobs are spread over, for ids that grow as real ones do.
SPAN: Final = 30 * 86_400
#: Log lines of the one job that has many; a tenth of all.
TENTH: Final = 10

#: What the twin holds: all tables, and rows of these.
TABLES: Final = (Job, Attempt, Step, LogLine, JobAction, Worker, Queue)
TWIN: Final = """
INSERT INTO twin.jobman_worker SELECT * FROM public.jobman_worker;
INSERT INTO twin.jobman_queue SELECT * FROM public.jobman_queue;
INSERT INTO twin.jobman_job SELECT * FROM public.jobman_job ORDER BY id LIMIT 100;
INSERT INTO twin.jobman_attempt SELECT attempt.* FROM public.jobman_attempt AS attempt
  JOIN twin.jobman_job AS job ON job.id = attempt.job_id;
INSERT INTO twin.jobman_logline SELECT line.* FROM twin.jobman_job AS job, LATERAL (
  SELECT * FROM public.jobman_logline WHERE job_id = job.id ORDER BY id DESC LIMIT 200) AS line;
"""

JOBS: Final = """
INSERT INTO jobman_job (id, task_id, task, label, queue, state, args, kwargs, preview, message,
  declared_steps, created_at, queued_at, started_at, finished_at, attempt, failures, crashes,
  releases, retries, delivery, trigger, current_step, progress_unit, progress_message, result,
  completed_code, error_class, error_message, fingerprint, cancel_forced, dispatch_error, root_id,
  group_id, tags, attribs, code_version, observed, eager, worker_id)
SELECT id, id::text, 'shop.tasks.task_' || i %% 40, '', 'queue_' || i %% 6, state,
  '["a.csv"]', '{}', '"a.csv"', '{}', '[]', at, at, at, at, 1, 0, 0, 0, 0, 1, 'automatic', '', '',
  '', NULL, '', CASE state WHEN 'failed' THEN 'builtins.ValueError' ELSE '' END,
  CASE state WHEN 'failed' THEN 'bad row' ELSE '' END,
  CASE state WHEN 'failed' THEN md5((i %% 50)::text) ELSE '' END, false, '', id::text, '', '[]',
  '{}', '', false, false, (%s::uuid[])[1 + i %% %s]
FROM (SELECT i, at, CASE i %% 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' ELSE 'succeeded' END
  AS state, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
  || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid AS id
  FROM (SELECT i, now() - make_interval(secs => %s - i * %s) AS at
    FROM generate_series(1, %s) AS i) AS moments) AS made
"""

LINES: Final = """
INSERT INTO jobman_logline (job_id, attempt, step, at, level, logger, message)
SELECT job.id, 1, '', now(), 20, 'shop', 'line ' || i
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM jobman_job) AS job
JOIN generate_series(0, %s - 1) AS i ON true WHERE job.n <= %s
"""

LONG: Final = """
INSERT INTO jobman_logline (job_id, attempt, step, at, level, logger, message)
SELECT %s, 1, '', now(), 20, 'shop', 'line ' || i FROM generate_series(1, %s) AS i
"""


def fill(jobs: int, lines: int) -> None:
    """Write the jobs and their log lines, a tenth of the lines for one job."""
    workers = [_worker(number) for number in range(8)]
    Queue.objects.bulk_create([Queue(name=f"queue_{number}") for number in range(6)])
    ids = [worker.pk for worker in workers]
    with connection.cursor() as cursor:
        cursor.execute(JOBS, [ids, len(ids), SPAN, SPAN / jobs, jobs])
        cursor.execute(LINES, [max(1, lines * (TENTH - 1) // TENTH // jobs), jobs])
        cursor.execute(LONG, [long_one().pk, lines // TENTH])
    _attempts()
    settle()


def _worker(number: int) -> Worker:
    now = timezone.now()
    name, queues = f"celery@w{number}", [f"queue_{number % 6}"]
    return Worker.objects.create(
        id=uuid7(), hostname=name, pid=1, pool="prefork", queues=queues, started_at=now, seen_at=now
    )


def _attempts() -> None:
    failed = Job.objects.filter(state="failed").order_by("id")[:2000]
    Attempt.objects.bulk_create(
        Attempt(
            job=job,
            number=1,
            started_at=job.created_at,
            finished_at=job.created_at,
            outcome="failed",
            error_message="bad row",
        )
        for job in failed
    )


def settle() -> None:
    """Do now what the server would do later, while something is measured."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def some_job() -> Job:
    """Return the job whose page is measured."""
    return Job.objects.filter(state="failed").order_by("id")[1]


def long_one() -> Job:
    """Return the job whose log is long."""
    return Job.objects.filter(state="failed").order_by("id")[2]


def make_twin() -> None:
    """Make the small twin, of the first jobs and at most 200 lines of each."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA twin")
        for table in (model._meta.db_table for model in TABLES):
            cursor.execute(f"CREATE TABLE twin.{table} (LIKE public.{table} INCLUDING ALL)")
        for statement in filter(str.strip, TWIN.split(";")):
            cursor.execute(statement)
    settle()


@contextmanager
def small() -> Iterator[None]:
    """Let the statements of the block read the twin."""
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO twin, public")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET search_path TO public")
