"""What all tests share: the Celery app, the servers, and a summary of what was not covered."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import celery
import django
import hypothesis
import pytest
from django.db import connection

import tests.celery_app
from tests import databases, servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery
    from pytest_django import DjangoDbBlocker

#: PostgreSQL: end every other session of this database.
OTHERS_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

#: The runner's three words, and pytest's words for them.
OUTCOMES = {
    "passed": ("passed", "xfailed"),
    "failed": ("failed", "error"),
    "skipped": ("skipped",),
}

hypothesis.settings.register_profile("jobman", deadline=None)
hypothesis.settings.load_profile("jobman")


@pytest.fixture(scope="session")
def app() -> Celery:
    return tests.celery_app.app


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None,  # noqa: ARG001 - pytest-django's own, which is torn down after this
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """End the sessions that threads of the tests left open, or the database cannot be dropped."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(OTHERS_END)


@pytest.fixture(autouse=True)
def _no_deeds_yet() -> None:
    """Forget what deeds other tests have done, and mend what they broke."""
    known = sys.modules.get("tests.workflows")
    if known is not None:
        known.trace.clear()
        known.broken.clear()


@pytest.fixture(scope="session")
def postgresql_url() -> str:
    return servers.need("postgresql")


@pytest.fixture(scope="session")
def mariadb_url() -> str:
    return servers.need("mariadb")


@pytest.fixture(scope="session")
def redis_url() -> str:
    return servers.need("redis")


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    return servers.need("rabbitmq")


def pytest_report_header() -> str:
    return (
        f"database: {databases.chosen()}, "
        f"django: {django.__version__}, celery: {celery.__version__}"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    gaps = _gaps(terminalreporter)
    if gaps:
        terminalreporter.section("not covered")
        for gap in gaps:
            terminalreporter.line(gap)
    if record := os.environ.get("JOBMAN_TEST_RECORD"):
        facts = _counts(terminalreporter) | {"gaps": gaps}
        Path(record).write_text(json.dumps(facts), encoding="utf-8")


def _gaps(reporter: pytest.TerminalReporter) -> list[str]:
    reasons = (report.longrepr[2] for report in reporter.stats.get("skipped", ()))
    counted = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    servers_missing = {f"no {name}: {why}" for name, why in servers.MISSING.items()}
    return sorted(
        [
            *(f"{reason} ({times} skipped)" for reason, times in counted.items()),
            *(servers_missing - counted.keys()),
        ]
    )


def _counts(reporter: pytest.TerminalReporter) -> dict[str, object]:
    return {
        word: sum(len(reporter.stats.get(outcome, ())) for outcome in outcomes)
        for word, outcomes in OUTCOMES.items()
    }
