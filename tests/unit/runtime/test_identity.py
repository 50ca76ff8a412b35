from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from celery_jobman.runtime import identity

if TYPE_CHECKING:
    from celery_jobman.runtime.identity import Identity

ROOT = Path(__file__).parents[3]


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


@pytest.mark.usefixtures("worker_identity")
def test_a_process_whose_worker_has_ended_belongs_to_none() -> None:
    identity.begin_stopping()

    identity.resign()

    assert (identity.current(), identity.is_stopping()) == (None, False)


FORK = """
import os
import django
django.setup()
from celery_jobman.runtime import identity

identity.become("w1@host", "prefork")
told, tell = os.pipe()
child = os.fork()
if child == 0:
    os.read(told, 1)
    os._exit(identity.is_stopping())
identity.begin_stopping()
os.write(tell, b"!")
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_the_stop_is_seen_by_processes_that_were_forked_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "1"
