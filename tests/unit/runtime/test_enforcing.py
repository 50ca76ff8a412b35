from __future__ import annotations

import os
import signal
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from django.utils import timezone

from celery_jobman.core import cancellation
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import results
from celery_jobman.states import State
from tests.factories import running_job

if TYPE_CHECKING:
    from celery_jobman.runtime.keeping import Keeping

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("inbox")]


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Mock:
    kill = Mock()
    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(results, "cancelled", Mock())
    return kill


def asked_to_stop(keeper: Keeping, seconds: float, **fields: Any) -> Job:
    asked = timezone.now() - timedelta(seconds=seconds)
    held = {"worker_id": keeper.me.worker_id, "pid": 4711, "cancel_requested_at": asked}
    return running_job(**{**held, **fields})


@pytest.mark.parametrize(
    ("seconds", "forced", "killed"),
    [(34, False, False), (36, False, True), (4, True, False), (6, True, True)],
)
def test_a_process_that_ignores_its_cancel_is_killed(
    keeper: Keeping,
    kill: Mock,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    forced: bool,  # noqa: FBT001
    killed: bool,  # noqa: FBT001
) -> None:
    job = asked_to_stop(keeper, seconds, cancel_forced=forced)

    keeper.enforce()

    job.refresh_from_db()
    assert job.state == (State.CANCELLED if killed else State.RUNNING)
    assert kill.call_args_list == ([((4711, signal.SIGKILL),)] if killed else [])
    assert (f"killed job={job.id} pid=4711" in caplog.text) is killed


@pytest.mark.parametrize("elsewhere", [{"pid": 1}, {"worker_id": uuid7()}, {"pid": None}])
def test_only_a_process_of_its_own_pool_is_killed(
    keeper: Keeping, kill: Mock, elsewhere: dict[str, Any]
) -> None:
    asked_to_stop(keeper, 1000, **elsewhere)

    keeper.enforce()

    kill.assert_not_called()


def test_a_process_whose_job_ends_in_between_is_left_alone(
    keeper: Keeping, kill: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_to_stop(keeper, 1000)
    stop = cancellation.stop_by_force

    def end_first(*args: Any, **options: Any) -> bool:
        Job.objects.update(state=State.SUCCEEDED, finished_at=timezone.now())
        return stop(*args, **options)

    monkeypatch.setattr(cancellation, "stop_by_force", end_first)

    keeper.enforce()

    kill.assert_not_called()


@pytest.mark.parametrize("pool", [None, SimpleNamespace(), SimpleNamespace(_pool=None)])
def test_a_pool_without_processes_has_nothing_to_kill(
    keeper: Keeping, kill: Mock, pool: Any
) -> None:
    keeper.controller.pool = pool
    asked_to_stop(keeper, 1000)

    keeper.enforce()

    kill.assert_not_called()
