"""``manage.py jobman doctor``: whether everything that jobs need is there and works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone

from celery_jobman.insight.wording import counted
from celery_jobman.insight.workforce import Workforce
from celery_jobman.management.examinations import installation, traffic, troubles, workflows

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from celery_jobman.management.console import Console
    from celery_jobman.management.examinations import Finding

HELP = "Check the installation; exit status 1 if something is wrong."

#: Columns for the verdict.
MARGIN = 8


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--problems", action="store_true", help="do not list what is well")


def run(options: dict[str, Any], console: Console) -> None:
    counts = {"ok": 0, "advice": 0, "wrong": 0}
    for finding in _findings():
        counts[finding.verdict] += 1
        if finding.verdict != "ok" or not options["problems"]:
            _write(finding, console)
    text = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    console.fact(text, total=sum(counts.values()), **counts)
    if counts["wrong"]:
        wrong = counted(counts["wrong"], "thing is", "things are")
        raise CommandError(f"{wrong} wrong")


def _write(finding: Finding, console: Console) -> None:
    values = {"verdict": finding.verdict, "sentence": finding.sentence, "fix": finding.fix}
    text = console.wrapped(f"{console.word(finding.verdict, MARGIN)}{finding.sentence}", MARGIN)
    fix = console.wrapped(f"{'':<{MARGIN}}{finding.fix}", MARGIN)
    console.fact(f"{text}\n{fix}" if finding.fix else text, **values)


def _findings() -> Iterator[Finding]:
    yield installation.celery_app()
    tasks = installation.tasks()
    yield tasks
    if tasks.verdict == "ok":
        yield installation.jobs()
    yield installation.broker()
    yield installation.result_backend()
    yield installation.late_acknowledgement()
    database = installation.database()
    yield database
    if database.verdict == "ok":
        yield installation.clocks()
        yield from installation.system_checks()
        yield from _traffic()


def _traffic() -> Iterator[Finding]:
    now = timezone.now()
    force = Workforce.now()
    yield traffic.workers(force)
    yield traffic.names(force)
    yield traffic.versions(force)
    yield from traffic.queues(force)
    yield traffic.orphans(force, now)
    yield traffic.refused()
    yield traffic.unknown()
    yield traffic.overdue(force, now)
    yield traffic.unbegun()
    yield workflows.errands(force, now)
    yield from troubles.set_aside()
    yield troubles.unwritten()
    yield traffic.dropped_lines()
