from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from celery_jobman.checks import heartbeat_fits, transactions_can_wait

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from pytest_django import Settings as Project


def test_the_defaults_give_no_warning() -> None:
    assert heartbeat_fits() == []


def test_three_signs_of_life_fit_exactly(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 10, "WORKER_LOST_AFTER": 30}

    assert heartbeat_fits() == []


def test_a_worker_that_would_be_lost_when_late_once_is_warned_of(settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 10, "WORKER_LOST_AFTER": 29}

    (warning,) = heartbeat_fits()

    assert warning.id == "jobman.W001"
    assert 'JOBMAN["WORKER_LOST_AFTER"]' in warning.msg
    assert warning.hint is not None
    assert "at least 30 seconds" in warning.hint


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
