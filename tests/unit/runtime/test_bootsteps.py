from __future__ import annotations

import atexit
import os
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from celery.concurrency.prefork import TaskPool
from django.db import DatabaseError, connections

from celery_jobman.core import workers
from celery_jobman.exceptions import TaskRefused
from celery_jobman.models import Worker
from celery_jobman.runtime import bootsteps, declarations, forking, identity, supervisor
from celery_jobman.runtime.bootsteps import Keeper, say_goodbye
from tests.factories import worker

pytestmark = pytest.mark.django_db

PARENT = SimpleNamespace(
    hostname="w1@host",
    pool_cls=TaskPool,
    app=SimpleNamespace(main="shop"),
    blueprint=SimpleNamespace(on_stopped=None),
)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stand in for the thread and for what concerns the whole process."""
    thread = Mock()
    monkeypatch.setattr(bootsteps, "_keeping", None)
    monkeypatch.setattr(bootsteps, "Keeping", thread)
    monkeypatch.setattr(identity, "_identity", None)
    monkeypatch.setattr(identity, "_shared", bytearray(1))
    monkeypatch.setattr(connections, "close_all", Mock())
    monkeypatch.setattr(forking.guard, "install", Mock())
    monkeypatch.setattr(atexit, "register", Mock())
    return thread


def test_a_worker_gets_its_identity_before_it_makes_its_pool() -> None:
    step = Keeper(PARENT)

    me = identity.current()
    assert me is step.me
    assert (me.hostname, me.pool) == ("w1@host", "prefork")


def test_a_worker_is_known_before_its_first_claim(alone: Mock) -> None:
    Keeper(PARENT).start(PARENT)

    calls = [call[0] for call in alone.return_value.method_calls]
    assert calls == ["_attempt", "start"]
    assert forking.guard.install.called  # type: ignore[attr-defined]


@pytest.fixture
def ending(alone: Mock, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return the keeper of a worker that is about to end."""
    monkeypatch.setattr(PARENT.blueprint, "on_stopped", None)
    keeper: Mock = alone.return_value
    keeper.controller = PARENT
    Keeper(PARENT).start(PARENT)
    keeper.me = SimpleNamespace(worker_id=worker().id, hostname="w1@host")
    return keeper


def test_a_worker_that_has_stopped_leaves_nothing(ending: Mock) -> None:
    PARENT.blueprint.on_stopped()

    ending.leave.assert_called_once_with(bootsteps.PATIENCE)
    assert (bootsteps._keeping, identity.current()) == (None, None)
    assert Worker.objects.get().stopped_at is not None


def test_what_celery_does_when_a_worker_has_stopped_is_done_too(ending: Mock) -> None:
    stopped = Mock()

    bootsteps.end(PARENT, stopped)

    stopped.assert_called_once_with()
    assert ending.leave.called


def test_a_body_that_goes_on_is_kept_until_the_process_ends(
    ending: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "is_idle", lambda: False)

    PARENT.blueprint.on_stopped()

    assert not ending.leave.called
    assert identity.current() is not None


def test_another_worker_of_this_process_may_end(ending: Mock) -> None:
    bootsteps.end(SimpleNamespace(), None)

    assert not ending.leave.called
    assert identity.current() is not None


@pytest.mark.parametrize("how", ["stop", "terminate"])
def test_a_worker_that_stops_tells_its_processes(how: str) -> None:
    getattr(Keeper(PARENT), how)(PARENT)

    assert identity.is_stopping()


def test_a_worker_does_not_start_without_a_task_that_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = TaskRefused("shop.add", "its option tags is 'abc'", "give a list of texts")
    monkeypatch.setitem(declarations._refused, ("shop", "shop.add"), refused)

    with pytest.raises(TaskRefused, match=r"task shop\.add"):
        Keeper(PARENT)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the keeper of a worker that has a row."""
    keeper = SimpleNamespace(me=SimpleNamespace(worker_id=worker().id, hostname="w1@host"))
    monkeypatch.setattr(bootsteps, "_keeping", keeper)
    return keeper


def test_a_goodbye_is_noted_once(kept: Any) -> None:
    say_goodbye(os.getpid())
    say_goodbye()

    assert kept.leaving
    assert Worker.objects.get().stopped_at is not None


def test_a_forked_child_does_not_say_goodbye_for_its_parent(kept: Any) -> None:
    say_goodbye(os.getpid() + 1)

    assert not hasattr(kept, "leaving")


def test_a_goodbye_that_cannot_be_noted_is_logged(
    kept: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept.me.worker_id = uuid4()
    monkeypatch.setattr(workers, "leave", Mock(side_effect=DatabaseError))

    say_goodbye()

    assert "Worker could not say goodbye worker=w1@host" in caplog.text
