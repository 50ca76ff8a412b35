from __future__ import annotations

import os
from threading import Event, Thread
from typing import TYPE_CHECKING
from unittest.mock import Mock

from celery_jobman.runtime import forking
from celery_jobman.runtime.forking import ForkGuard

if TYPE_CHECKING:
    import pytest


def test_a_fork_waits_for_the_end_of_the_block() -> None:
    guard = ForkGuard()
    inside, leave, forked = Event(), Event(), Event()

    def keep() -> None:
        with guard.undisturbed():
            inside.set()
            leave.wait(30)

    def fork() -> None:
        guard.before()
        forked.set()
        guard.after_in_parent()

    keeper, forker = Thread(target=keep), Thread(target=fork)
    keeper.start()
    inside.wait(30)
    forker.start()
    early = forked.wait(0.05)
    leave.set()
    keeper.join(30)
    forker.join(30)

    assert (early, forked.is_set()) == (False, True)


def test_the_keeper_waits_for_the_end_of_the_fork() -> None:
    guard = ForkGuard()

    guard.before()
    held = guard._lock.locked()
    guard.after_in_parent()

    assert held
    with guard.undisturbed():
        assert guard._lock.locked()


def test_a_database_that_hangs_does_not_stop_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "PATIENCE", 0.01)
    guard = ForkGuard()

    with guard.undisturbed():
        guard.before()
        guard.after_in_parent()
        assert guard._lock.locked()
    assert not guard._lock.locked()


def test_in_the_child_the_lock_is_free() -> None:
    guard = ForkGuard()
    guard.before()

    guard.renew()

    assert not guard._lock.locked()


def test_it_is_installed_once_for_the_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    register = Mock()
    monkeypatch.setattr(os, "register_at_fork", register)
    guard = ForkGuard()

    guard.install()
    guard.install()

    register.assert_called_once_with(
        before=guard.before, after_in_parent=guard.after_in_parent, after_in_child=guard.renew
    )
