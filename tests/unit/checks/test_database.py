from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connections

from celery_jobman.checks.database import tables_are_there, transactions_can_wait
from celery_jobman.runtime import tables

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> BaseDatabaseWrapper:
    """Return the project's database, in a file of SQLite's."""
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", "sqlite")
    monkeypatch.setattr(connection, "is_in_memory_db", lambda: False, raising=False)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    return connection


@pytest.mark.parametrize(
    "options", [{}, {"transaction_mode": None}, {"transaction_mode": "deferred"}]
)
def test_a_transaction_that_may_read_first_is_warned_of(
    database: BaseDatabaseWrapper, options: dict[str, Any]
) -> None:
    database.settings_dict["OPTIONS"] = options

    (warning,) = transactions_can_wait()

    assert warning.id == "jobman.W002"
    assert "'default'" in warning.msg
    assert warning.hint is not None
    assert 'DATABASES[\'default\']["OPTIONS"]["transaction_mode"]' in warning.hint


@pytest.mark.parametrize("mode", ["IMMEDIATE", "immediate", "EXCLUSIVE"])
def test_a_transaction_that_locks_when_it_begins_is_fine(
    database: BaseDatabaseWrapper, mode: str
) -> None:
    database.settings_dict["OPTIONS"] = {"transaction_mode": mode}

    assert transactions_can_wait() == []


def test_a_database_in_memory_has_nobody_to_wait_for(
    database: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_in_memory_db", lambda: True, raising=False)

    assert transactions_can_wait() == []


@pytest.mark.parametrize("vendor", ["postgresql", "mysql"])
def test_other_databases_let_transactions_wait(
    database: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    monkeypatch.setattr(database, "vendor", vendor)

    assert transactions_can_wait() == []


@pytest.mark.django_db
def test_all_migrations_are_applied() -> None:
    assert tables_are_there(databases=["default"]) == []


@pytest.fixture
def unmigrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "missing", lambda: ["0001_initial", "0002_batches"])


@pytest.mark.usefixtures("unmigrated")
def test_missing_migrations_are_warned_of_with_the_command_that_applies_them() -> None:
    (warning,) = tables_are_there(databases=["default"])

    assert warning.id == "jobman.W003"
    assert "0001_initial, 0002_batches not applied" in warning.msg
    assert warning.hint is not None
    assert "run manage.py migrate" in warning.hint


@pytest.mark.usefixtures("unmigrated")
@pytest.mark.parametrize("databases", [None, [], ["other"]])
def test_another_database_is_not_asked(databases: Any) -> None:
    assert tables_are_there(databases=databases) == []


@pytest.mark.usefixtures("unmigrated")
def test_migrate_is_not_told_what_it_is_about_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "migrate"])

    assert tables_are_there(databases=["default"]) == []


def test_a_database_that_does_not_answer_is_djangos_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OperationalError

    monkeypatch.setattr(tables, "missing", refuse)

    assert tables_are_there(databases=["default"]) == []
