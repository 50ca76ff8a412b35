from __future__ import annotations

import time
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from celery_jobman.runtime import keeping

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
