from __future__ import annotations

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


@pytest.fixture
def _hasty(settings: Project) -> None:
    """Do not wait for notes."""
    settings.JOBMAN = {"DISPATCH_EVERY": 0.001}


@pytest.mark.usefixtures("_hasty")
def test_a_note_waits_for_a_database_that_is_away(
    keeper: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    note = Mock(side_effect=[OperationalError, OperationalError, None])
    keeping.note(note)

    for _ in range(4):
        keeper._read_inbox()

    assert note.call_count == 3
    assert caplog.text.count("Keeper's note put off") == 2


@pytest.mark.usefixtures("_hasty")
def test_a_note_that_waits_holds_up_neither_the_duties_nor_other_notes(keeper: Keeping) -> None:
    second = Mock()
    keeping.note(Mock(side_effect=OperationalError))
    keeping.note(second)

    keeper._read_inbox()
    keeper._read_inbox()

    second.assert_called_once_with(keeper.me)


@pytest.mark.usefixtures("_hasty")
def test_a_note_is_given_up_one_day_and_that_is_said(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "TRIES", 2)
    note = Mock(side_effect=OperationalError)
    keeping.note(note)

    for _ in range(3):
        keeper._read_inbox()

    assert note.call_count == 2
    assert "Keeper's note given up" in caplog.text


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

    monkeypatch.setattr(keeping, "logger", Mock(warning=log, exception=log, error=log))
    keeping.note(Mock(side_effect=[error, None]))

    keeper._read_inbox()
    keeper._attempt(Mock(side_effect=error, __name__="beat"))
    keeper._put_off(keeping._Waiting(Mock(), tries=keeping.TRIES))

    assert guarded == [True, True, True]
    assert not forking.guard._lock.locked()
