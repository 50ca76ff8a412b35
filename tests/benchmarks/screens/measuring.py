"""Measure the admin's list and job page on many rows, beside Django's stock list.

``python -m tests.benchmarks.screens --jobs 1000000 --lines 10000000`` fills a database of its own
on the PostgreSQL server that the tests use, and drops it.  It asserts nothing but query plans: a
sequential scan of a big table ends it with an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import reload
from statistics import median
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, get_runner
from django.urls import clear_url_caches, reverse

import tests.urls
from celery_jobman.models import Attempt, Job, LogLine, Queue

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds of a million jobs' history, for ids that grow as real ones do.
SPAN: Final = 30 * 86_400

JOBS: Final = """
INSERT INTO jobman_job (id, task_id, task, label, queue, state, args, kwargs, preview, message,
  declared_steps, created_at, queued_at, started_at, finished_at, attempt, failures, crashes,
  releases, retries, delivery, trigger, current_step, progress_unit, progress_message, result,
  completed_code, error_class, error_message, fingerprint, cancel_forced, dispatch_error, root_id,
  group_id, tags, attribs, code_version, observed, eager)
SELECT id, id::text, 'shop.tasks.task_' || i %% 40, '', 'queue_' || i %% 6, state,
  '["a.csv"]', '{}', '"a.csv"', '{}', '[]', at, at, at, at, 1, 0, 0, 0, 0, 1, 'automatic', '', '',
  '', NULL, '', CASE state WHEN 'failed' THEN 'builtins.ValueError' ELSE '' END,
  CASE state WHEN 'failed' THEN 'bad row' ELSE '' END,
  CASE state WHEN 'failed' THEN md5((i %% 50)::text) ELSE '' END, false, '', id::text, '', '[]',
  '{}', '', false, false
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


def main() -> int:
    options = _options()
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        return _measure(options)
    finally:
        runner.teardown_databases(databases)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.screens", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> int:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ann"))
    _fill(20, 200)
    small = _time(client, _page(_some_job()), options.rounds)
    _empty()
    began = time.monotonic()
    _fill(options.jobs, options.lines)
    _say(f"{options.jobs:,} jobs, {options.lines:,} lines in {time.monotonic() - began:.0f} s")
    scans = _scans(client)
    _report(client, options.rounds, small)
    for scan in scans:
        _say(f"SEQUENTIAL SCAN: {scan}")
    return 1 if scans else 0


def _fill(jobs: int, lines: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(JOBS, [SPAN, SPAN / jobs, jobs])
        each = max(1, lines // jobs)
        cursor.execute(LINES, [each, jobs])
    Attempt.objects.bulk_create(
        [
            Attempt(job=job, number=1, started_at=job.created_at, finished_at=job.created_at,
                    outcome="failed", error_message="bad row")
            for job in Job.objects.filter(state="failed").order_by("id")[:2000]
        ]
    )  # fmt: skip
    Queue.objects.bulk_create([Queue(name=f"queue_{n}") for n in range(6)])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _empty() -> None:
    for table in (LogLine, Attempt, Job, Queue):
        table._default_manager.all()._raw_delete("default")


def _some_job() -> Job:
    jobs = Job.objects.filter(state="failed").order_by("id")
    return jobs[min(jobs[:1000].count() // 2, 999)]


def _list(**query: str) -> tuple[str, dict[str, str]]:
    return reverse("admin:jobman_job_changelist"), query


def _page(job: Job) -> tuple[str, dict[str, str]]:
    return reverse("admin:jobman_job_change", args=[job.pk]), {}


def _time(client: Client, asked: tuple[str, dict[str, str]], rounds: int) -> float:
    """Return the median of the milliseconds that an answer takes."""
    took = []
    for _ in range(rounds + 2):
        began = time.perf_counter()
        answer = client.get(*asked)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, asked
    return median(took[2:])


def _places() -> dict[str, tuple[str, dict[str, str]]]:
    deep = Job.objects.order_by("id")[1000]
    return {
        "list, first page": _list(),
        "list, last page but a few": _list(_before=str(deep.pk)),
        "list, failed": _list(state="failed"),
        "list, one task": _list(q="task:shop.tasks.task_7"),
        "list, one queue": _list(q="queue:queue_3"),
        "job page": _page(_some_job()),
        "counts": (reverse("admin:jobman_job_counts"), {}),
    }


def _report(client: Client, rounds: int, small: float) -> None:
    stock = _stock(lambda: _time(client, _list(), 3))
    _say(f"stock list of Django: {stock:.0f} ms")
    for name, asked in _places().items():
        took = _time(client, asked, rounds)
        beside = f"1/{stock / took:.0f} of the stock list" if name.startswith("list") else ""
        if name == "job page":
            beside = f"{took / small:.2f} times its {small:.0f} ms on a database with 20 jobs"
        _say(f"{name}: {took:.1f} ms  {beside}")


def _stock(measure: Callable[[], float]) -> float:
    """Measure with a plain ModelAdmin in our place, with what people usually put on it."""

    class Plain(admin.ModelAdmin):  # type: ignore[type-arg]
        list_display = ("id", "task", "state", "queue", "created_at", "finished_at")
        list_filter = ("state", ("queue", admin.AllValuesFieldListFilter))
        search_fields = ("task", "task_id", "error_message")
        date_hierarchy = "created_at"

    ours = admin.site._registry[Job]
    admin.site._registry[Job] = Plain(Job, admin.site)
    _read_urls_again()
    try:
        return measure()
    finally:
        admin.site._registry[Job] = ours
        _read_urls_again()


def _read_urls_again() -> None:
    reload(tests.urls)
    clear_url_caches()


def _scans(client: Client) -> list[str]:
    """Return the statements of all pages that PostgreSQL would answer by a sequential scan."""
    found = []
    for name, asked in _places().items():
        with CaptureQueriesContext(connection) as captured:
            client.get(*asked)
        sent = [query["sql"] for query in captured]
        selects = [sql for sql in sent if sql.lstrip("( ").startswith(("SELECT", "WITH"))]
        with connection.cursor() as cursor:
            for sql in selects:
                cursor.execute(f"EXPLAIN {sql}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
                if "Seq Scan on jobman_job " in plan or "Seq Scan on jobman_logline" in plan:
                    found.append(f"{name}: {sql}\n{plan}")
    return found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
