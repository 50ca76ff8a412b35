from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError
from django.db.migrations.executor import MigrationExecutor

from celery_jobman.runtime import tables

if TYPE_CHECKING:
    from celery_jobman.runtime.keeping import Keeping

pytestmark = pytest.mark.django_db

NO_TABLE = ProgrammingError('relation "jobman_worker" does not exist')


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_told", set())


@pytest.fixture
def unmigrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "missing", lambda: ["0001_initial"])


def test_every_migration_that_is_not_applied_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = MigrationExecutor.migration_plan

    def from_scratch(self: MigrationExecutor, targets: Any) -> Any:
        return everything(self, targets, clean_start=True)

    assert tables.missing() == []
    monkeypatch.setattr(MigrationExecutor, "migration_plan", from_scratch)
    assert tables.missing()[0] == "0001_initial"
    assert all(name[:4].isdigit() for name in tables.missing())


@pytest.mark.usefixtures("unmigrated")
@pytest.mark.parametrize("error", [NO_TABLE, OperationalError("no such table: jobman_worker")])
def test_missing_tables_are_told_of_once_in_clear_words(
    keeper: Keeping, caplog: pytest.LogCaptureFixture, error: DatabaseError
) -> None:
    def beat() -> None:
        raise error

    for _ in range(3):
        keeper._attempt(beat)

    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert (
        "Migrations of celery_jobman are missing in the database 'default'" in record.getMessage()
    )
    assert "run manage.py migrate" in record.getMessage()


@pytest.mark.parametrize("error", [NO_TABLE, OperationalError("gone away")])
def test_another_error_is_told_of_as_ever(
    keeper: Keeping, caplog: pytest.LogCaptureFixture, error: DatabaseError
) -> None:
    def beat() -> None:
        raise error

    keeper._attempt(beat)

    assert "duty=beat" in caplog.text


@pytest.mark.parametrize("error", [ValueError("x"), InterfaceError("connection already closed")])
def test_what_no_statement_was_answered_with_has_another_reason(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "missing", lambda: pytest.fail("it was asked"))

    assert not tables.explains(error)


def test_a_database_that_does_not_answer_has_another_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OperationalError

    monkeypatch.setattr(tables, "missing", refuse)

    assert not tables.explains(NO_TABLE)
