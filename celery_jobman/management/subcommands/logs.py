"""``manage.py jobman logs``: the log of one job, also while it grows."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.insight import explanation
from celery_jobman.insight.wording import at, counted, progress
from celery_jobman.management import arguments, facts, selection
from celery_jobman.models import Job, LogLine
from celery_jobman.runtime.connection import patiently

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator
    from uuid import UUID

    from django.db.models import QuerySet

    from celery_jobman.management.console import Console

HELP = "Print the log of a job; with --follow until it ends."

#: Lines read by one statement.
SLICE = 1000
#: Seconds between two looks at a log that is followed.
PERIOD = 1.0
#: Seconds between two lines that say how far the job is.
PROGRESS_PERIOD = 5.0


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_job(parser)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job ends, or Ctrl-C"
    )
    parser.add_argument(
        "--attempt", type=arguments.count, metavar="N", help="only lines of this attempt"
    )
    parser.add_argument(
        "--level", type=arguments.level, default=0, help="only lines of this level or above"
    )
    arguments.add_limit(parser, None, "only the last N lines")


def run(options: dict[str, Any], console: Console) -> None:
    job = selection.job(options["job"])
    tail = Tail(job.id, options, console)
    tail.begin(options["limit"])
    if options["follow"]:
        with suppress(KeyboardInterrupt):
            _follow(job.id, tail, console)
    else:
        tail.write()
    console.fact(counted(tail.count, "line"), total=tail.count)


class Tail:
    """Reads on from the last line that was written."""

    def __init__(self, job_id: UUID, options: dict[str, Any], console: Console) -> None:
        self.count = 0
        self._console = console
        self._last = 0
        self._lines = LogLine.objects.filter(job_id=job_id, level__gte=options["level"])
        if options["attempt"]:
            self._lines = self._lines.filter(attempt=options["attempt"])

    def begin(self, limit: int | None) -> None:
        """Pass over all but the last ``limit`` lines."""
        if limit is not None:
            newest = self._lines.order_by("-id").values_list("id", flat=True)
            self._last = next(iter(newest[limit : limit + 1]), 0)

    def write(self) -> None:
        """Write the lines that are there and were not written yet."""
        for line in self._unread():
            text = f"{at(line.at)[:19]}  #{line.attempt} {self._level(line.level)} "
            step = f"[{line.step}] " if line.step else ""
            self._console.fact(f"{text}{step}{line.message}", kind="line", **facts.line(line))
            self.count += 1
        self._console.flush()

    def _unread(self) -> Iterator[LogLine]:
        while chunk := list(self._after(self._last)[:SLICE]):
            yield from chunk
            self._last = chunk[-1].id

    def _after(self, last: int) -> QuerySet[LogLine]:
        return self._lines.filter(id__gt=last).order_by("id")

    def _level(self, level: int) -> str:
        name = f"{logging.getLevelName(level):<7}"
        if level >= logging.ERROR:
            return self._console.style.ERROR(name)
        return self._console.style.WARNING(name) if level >= logging.WARNING else name


def _follow(job_id: UUID, tail: Tail, console: Console) -> None:
    told, told_at = "", 0.0
    while True:
        # The row first: what a job logged is there when it has ended.
        job = patiently(Job.objects.filter(pk=job_id).without_payloads().first, "follow")
        patiently(tail.write, "follow")
        if job is None:
            console.note("The job was deleted.")
            return
        if job.is_final:
            _tell(job, console)
            return
        standing = f"{job.state} {job.attempt} {job.current_step} {progress(job)}"
        if standing != told and time.monotonic() - told_at >= PROGRESS_PERIOD:
            told, told_at = standing, time.monotonic()
            _tell(job, console)
        time.sleep(PERIOD)


def _tell(job: Job, console: Console) -> None:
    """Say how far the job is, and what it waits for."""
    done = progress(job) if job.state == "running" else ""
    step = f" {job.current_step}" if done and job.current_step else ""
    text = f"{job.state}{step}, {done}" if done else explanation.why(job, timezone.now())
    console.fact(f"-- {text}", kind="state", **facts.brief(job))
    console.flush()
