from __future__ import annotations

import mmap
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from celery_jobman.runtime import identity

if TYPE_CHECKING:
    from celery_jobman.runtime.identity import Identity


def test_a_process_outside_workers_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_identity", None)

    assert identity.current() is None


def test_a_process_knows_its_worker(worker_identity: Identity) -> None:
    assert identity.current() is worker_identity
    assert (worker_identity.hostname, worker_identity.pool) == ("w1@host", "prefork")


@pytest.mark.usefixtures("worker_identity")
def test_two_starts_under_one_name_are_two_workers() -> None:
    first, second = (identity.become("w1@host", "prefork") for _ in range(2))

    assert first.worker_id != second.worker_id


@pytest.mark.usefixtures("worker_identity")
def test_a_worker_that_stops_can_be_started_anew() -> None:
    before = identity.is_stopping()
    identity.begin_stopping()
    stopping = identity.is_stopping()
    identity.become("w1@host", "prefork")

    assert (before, stopping, identity.is_stopping()) == (False, True, False)


def test_the_stop_is_seen_by_processes_that_were_forked_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identity, "_shared", mmap.mmap(-1, 1))
    fork = get_context("fork")
    asked, answers = fork.Event(), fork.Queue()

    def child() -> None:
        answers.put(identity.is_stopping())
        asked.wait(30)
        answers.put(identity.is_stopping())

    process = fork.Process(target=child)
    process.start()
    before = answers.get(timeout=30)
    identity.begin_stopping()
    asked.set()
    after = answers.get(timeout=30)
    process.join(30)

    assert (before, after) == (False, True)
