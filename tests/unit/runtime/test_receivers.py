from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from celery import signals

from celery_jobman.runtime import connection, identity, keeping, losses, receivers
from celery_jobman.runtime.messages import HEADER

OURS = {"job": "j1", "delivery": 1, "attempt": 1}


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    notes: list[Any] = []
    monkeypatch.setattr(keeping, "note", notes.append)
    return notes


def test_connecting_twice_connects_once() -> None:
    heard = [
        signals.celeryd_init, signals.worker_shutting_down, signals.worker_process_init,
        signals.task_revoked, signals.task_unknown,
    ]  # fmt: skip
    before = [len(signal.receivers) for signal in heard]

    receivers.connect()

    assert [len(signal.receivers) for signal in heard] == before


def test_every_worker_gets_a_keeper_even_without_jobs() -> None:
    steps: set[str] = set()
    app = SimpleNamespace(steps={"worker": steps})

    receivers.install_keeper(instance=SimpleNamespace(app=app), sender="w1@host")

    assert steps == {"celery_jobman.runtime.bootsteps:Keeper"}


def test_a_worker_that_shuts_down_interrupts_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_shared", bytearray(1))

    receivers.interrupt(sender="w1@host", sig="SIGTERM")

    assert identity.is_stopping()


@pytest.mark.parametrize("expired", [True, False])
def test_a_revoked_message_of_ours_is_left_to_the_keeper(
    notes: list[Any],
    expired: bool,  # noqa: FBT001
) -> None:
    request = Mock(headers={HEADER: OURS}, spec=["headers"])

    receivers.note_revoked(request=request, expired=expired, terminated=False, signum=None)

    (note,) = notes
    assert (note.func, note.args, note.keywords) == (losses.revoked, (OURS,), {"expired": expired})


def test_an_unknown_task_of_ours_is_left_to_the_keeper(notes: list[Any]) -> None:
    receivers.note_unknown(message=Mock(headers={HEADER: OURS}), name="demo.new", exc=None, id="1")

    (note,) = notes
    assert (note.func, note.args) == (losses.unknown, (OURS, "demo.new"))


@pytest.mark.parametrize("headers", [None, {}])
def test_other_peoples_messages_are_not_ours_to_handle(notes: list[Any], headers: Any) -> None:
    message = Mock(headers=headers, spec=["headers"])

    receivers.note_revoked(request=message, expired=False)
    receivers.note_unknown(message=message, name="demo.new")

    assert notes == []


def test_a_forked_child_forgets_its_parents_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    forget = Mock()
    monkeypatch.setattr(connection, "forget_inherited", forget)
    monkeypatch.setattr(signals.worker_process_init, "connect", lambda found, **_: found())

    receivers.connect()

    forget.assert_called_once_with()
