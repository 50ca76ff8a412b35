from __future__ import annotations

import time
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from celery_jobman.runtime import forking, keeping

if TYPE_CHECKING:
    from pytest_django import Settings as Project

    from celery_jobman.runtime.identity import Identity
    from celery_jobman.runtime.keeping import Keeping

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("inbox")]


def test_a_note_is_worked_on_with_the_workers_identity(keeper: Keeping) -> None:
    seen: list[Identity] = []
    keeping.note(seen.append)

    keeper._read_inbox()

    assert seen == [keeper.me]


def test_an_empty_inbox_is_no_work(keeper: Keeping, settings: Project) -> None:
    settings.JOBMAN = {"DISPATCH_EVERY": 0.001}

    keeper._read_inbox()


def test_a_note_waits_for_a_database_that_is_away(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    note = Mock(side_effect=[OperationalError, OperationalError, None])
    keeping.note(note)

    keeper._read_inbox()

    assert note.call_count == 3
    assert caplog.text.count("Keeper's note put off") == 2


def test_a_note_that_fails_is_logged_and_the_next_one_read(
    keeper: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    second = Mock()
    keeping.note(Mock(side_effect=ValueError("wrong")))
    keeping.note(second)

    keeper._read_inbox()
    keeper._read_inbox()

    second.assert_called_once_with(keeper.me)
    assert "Keeper's note failed" in caplog.text


@pytest.mark.parametrize("error", [OperationalError, ValueError])
def test_no_process_is_born_while_a_failure_is_logged(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """The thread that logs has the lock of what is logged to; a child would never get it."""
    guarded: list[bool] = []

    def log(*_: object) -> None:
        guarded.append(forking.guard._lock.locked())

    monkeypatch.setattr(keeping, "logger", Mock(warning=log, exception=log))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    keeping.note(Mock(side_effect=[error, None]))

    keeper._read_inbox()
    keeper._attempt(Mock(side_effect=error, __name__="beat"))

    assert guarded == [True, True]
    assert not forking.guard._lock.locked()


def test_between_two_tries_of_a_note_a_process_may_be_born(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded: list[bool] = []
    monkeypatch.setattr(time, "sleep", lambda _: guarded.append(forking.guard._lock.locked()))
    keeping.note(Mock(side_effect=[OperationalError, None]))

    keeper._read_inbox()

    assert guarded == [False]
