"""Rows to measure on, and a small twin of the tables that hold them.

The twin has the same tables in a schema of its own, with a few of the jobs.  ``small()`` lets
the same page be drawn from it, so that a page of a full database and of a nearly empty one can be
measured in turn.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from django.db import connection

from celery_jobman.models import Attempt, Job, JobAction, LogLine, Queue, Step, Worker
from tests import crowd

if TYPE_CHECKING:
    from collections.abc import Iterator

#: One job has this part of all log lines.
TENTH: Final = 10

#: What the twin holds: all tables, and rows of these.
TABLES: Final = (Job, Attempt, Step, LogLine, JobAction, Worker, Queue)
TWIN: Final = """
INSERT INTO twin.jobman_worker SELECT * FROM public.jobman_worker;
INSERT INTO twin.jobman_queue SELECT * FROM public.jobman_queue;
INSERT INTO twin.jobman_job SELECT * FROM public.jobman_job ORDER BY id LIMIT 100;
INSERT INTO twin.jobman_attempt SELECT attempt.* FROM public.jobman_attempt AS attempt
  JOIN twin.jobman_job AS job ON job.id = attempt.job_id;
INSERT INTO twin.jobman_step SELECT step.* FROM public.jobman_step AS step
  JOIN twin.jobman_job AS job ON job.id = step.job_id;
INSERT INTO twin.jobman_jobaction SELECT action.* FROM public.jobman_jobaction AS action
  JOIN twin.jobman_job AS job ON job.id = action.job_id;
INSERT INTO twin.jobman_logline SELECT line.* FROM twin.jobman_job AS job, LATERAL (
  SELECT * FROM public.jobman_logline WHERE job_id = job.id ORDER BY id DESC LIMIT 200) AS line;
"""


def fill(jobs: int, lines: int) -> None:
    """Write the jobs and their log lines."""
    crowd.write(jobs, max(1, lines * (TENTH - 1) // TENTH // jobs), lines // TENTH)
    settle()


def settle() -> None:
    """Do now what the server would do later, while something is measured."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


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
