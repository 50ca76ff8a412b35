from __future__ import annotations

import time
from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery import Celery
from django.db import OperationalError, connections

from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import keeping
from celery_jobman.runtime.identity import Identity
from celery_jobman.runtime.keeping import Keeping

if TYPE_CHECKING:
    from pytest_django import Settings as Project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def inbox(monkeypatch: pytest.MonkeyPatch) -> SimpleQueue[Any]:
    """Give each test an empty inbox, and keep its database open."""
    box: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(keeping, "_inbox", box)
    monkeypatch.setattr(connections, "close_all", Mock())
    return box


@pytest.fixture
def keeper() -> Keeping:
    """Return the keeper of a worker with two pool processes."""
    app = Celery("keeper", broker="memory://", set_as_current=False)
    processes = [SimpleNamespace(pid=pid) for pid in (4711, 4712)]
    pool = SimpleNamespace(_pool=SimpleNamespace(_pool=processes))
    controller = SimpleNamespace(app=app, concurrency=2, pool=pool)
    return Keeping(controller, Identity(uuid7(), "w1@host", "prefork"))


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
