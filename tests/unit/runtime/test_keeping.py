from __future__ import annotations

import os
from threading import Event
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from celery.worker import state as celery_state
from django.db import OperationalError
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.core import redelivery, rescue
from celery_jobman.models import Job, Queue, Worker
from celery_jobman.runtime import broker, hinting, keeping, queues, results
from celery_jobman.states import State
from tests.factories import (
    EARLIER,
    batch,
    blocked_job,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings as Project

    from celery_jobman.runtime.keeping import Keeping

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("inbox")]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Let messages go nowhere."""
    messages: list[Job] = []

    def take(jobs: list[Job]) -> tuple[int, None]:
        messages.extend(jobs)
        return len(jobs), None

    monkeypatch.setattr(broker, "publish", messages.append)
    monkeypatch.setattr(broker, "publish_all", take)
    return messages


def test_the_first_beat_makes_the_worker_known(keeper: Keeping) -> None:
    keeper.beat()

    row = Worker.objects.get()
    assert (row.id, row.hostname, row.pool) == (keeper.me.worker_id, "w1@host", "prefork")
    assert (row.pid, row.concurrency, row.queues) == (os.getpid(), 2, ["celery"])
    assert row.versions.keys() == {"celery", "celery-jobman", "django", "python"}


def test_later_beats_say_what_it_holds(keeper: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    worker(id=keeper.me.worker_id, seen=EARLIER)
    monkeypatch.setattr(celery_state, "reserved_requests", ["a", "b", "c"])
    monkeypatch.setattr(celery_state, "active_requests", ["a"])

    keeper.beat()

    row = Worker.objects.get()
    assert row.reserved == 2
    assert row.seen_at != EARLIER


def test_a_worker_whose_row_was_deleted_comes_back(keeper: Keeping) -> None:
    keeper.beat()
    Worker.objects.all().delete()

    keeper.beat()

    assert Worker.objects.get().id == keeper.me.worker_id


def test_it_dispatches_what_is_due(keeper: Keeping, sent: list[Job]) -> None:
    job = scheduled_job(available_at=timezone.now())

    keeper.dispatch()

    assert sent == [job]


def test_it_dispatches_slice_by_slice(
    keeper: Keeping, sent: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SLICE", 2)
    for _ in range(5):
        scheduled_job(available_at=timezone.now())

    keeper.dispatch()

    assert len(sent) == 5


def test_it_goes_on_with_what_others_have_begun(keeper: Keeping, sent: list[Job]) -> None:
    row = batch(total=1, opening=True)
    blocked_job(batch_id=row.id)

    keeper.run_errands()
    keeper.dispatch()

    assert len(sent) == 1


def test_a_cancel_comes_back_early_and_a_keeper_ends_the_rest(
    keeper: Keeping,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    row = batch(total=120)
    for _ in range(120):
        scheduled_job(batch_id=row.id)
    monkeypatch.setattr(hinting, "MOMENT", 0.0)

    with django_capture_on_commit_callbacks(execute=True):
        state = actions.cancel_batch(row.id)
    row.refresh_from_db()
    left = row.pending
    monkeypatch.setattr(hinting, "MOMENT", 60.0)
    keeper.run_errands()

    assert (state, left) == (State.RUNNING, 120 - hinting.SMALL_SLICE)
    row.refresh_from_db()
    assert (row.state, row.pending, row.cancelled) == ("cancelled", 0, 120)


def test_batches_take_turns_over_several_rounds(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [batch(total=1, stopping="cancelled") for _ in range(3)]
    left = {row.id: 3 for row in rows}
    order: list[int] = []

    def go_on_with(batch_id: UUID) -> bool:
        order.append([row.id for row in rows].index(batch_id))
        left[batch_id] -= 1
        return left[batch_id] > 0

    monkeypatch.setattr(hinting, "go_on_with", go_on_with)
    monkeypatch.setattr(keeping, "LONGEST_DISPATCH", 0.0)
    for _ in range(4):
        keeper.run_errands()
    monkeypatch.setattr(keeping, "LONGEST_DISPATCH", 60.0)
    keeper.run_errands()

    assert order == [0, 1, 2, 0, 1, 2, 1, 2]


def test_it_tells_celery_of_what_expired(
    keeper: Keeping, sent: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Mock()
    monkeypatch.setattr(results, "all_cancelled", told)
    now = timezone.now()
    job = scheduled_job(available_at=now, expires_at=now)

    keeper.dispatch()

    told.assert_called_once_with([job.id])
    assert sent == []


def test_it_rescues_what_dead_workers_held_and_says_so(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = Mock()
    monkeypatch.setattr(results, "ended", told)
    monkeypatch.setattr(keeper.pulse, "is_steady", lambda: True)
    long_ago = timezone.now().replace(year=2020)
    job = running_job(worker_id=worker(seen=long_ago).id)

    keeper.rescue()

    job.refresh_from_db()
    assert job.state == State.SCHEDULED
    assert f"Job rescued job={job.id} state=scheduled" in caplog.text
    (entries,) = told.call_args.args
    assert [entry.job_id for entry in entries] == [job.id]


def test_it_believes_no_silence_before_its_own_pulse_is_steady(keeper: Keeping) -> None:
    long_ago = timezone.now().replace(year=2020)
    silent = running_job(worker_id=worker(seen=long_ago).id)
    left = running_job(worker_id=worker(seen=long_ago, stopped_at=long_ago).id)

    keeper.beat()
    keeper.rescue()

    states = Job.objects.in_bulk([silent.pk, left.pk])
    assert states[silent.pk].state == State.RUNNING
    assert states[left.pk].state == State.SCHEDULED


def test_a_database_that_is_away_makes_the_sign_of_life_the_next_thing_to_do(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescue, "rescue_lost", Mock(side_effect=OperationalError))
    keeper._due[keeper.beat] = float("inf")

    keeper._attempt(keeper.rescue)

    assert keeper.beat not in keeper._due


def test_it_tells_celery_of_what_expired_while_its_message_was_lost(
    keeper: Keeping, sent: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Mock()
    monkeypatch.setattr(results, "cancelled", told)
    monkeypatch.setattr(queues, "depth", lambda *_: 0)
    alive(keeper)
    long_ago = timezone.now().replace(year=2020)
    job = queued_job(queued_at=long_ago, expires_at=long_ago)

    keeper.redeliver()
    keeper.redeliver()

    told.assert_called_once_with(job.id)
    assert sent == []


@pytest.fixture
def overdue() -> Job:
    """Return a job that has been queued for long."""
    return queued_job(queued_at=timezone.now().replace(year=2020))


def alive(keeper: Keeping, **fields: Any) -> Worker:
    return worker(**{"id": keeper.me.worker_id, "seen": timezone.now(), **fields})


def test_it_sends_lost_messages_again(
    keeper: Keeping,
    overdue: Job,
    sent: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alive(keeper)
    monkeypatch.setattr(queues, "depth", lambda *_: 0)

    keeper.redeliver()
    keeper.redeliver()

    assert sent == [overdue]
    assert "Lost messages sent again queue=celery count=1" in caplog.text


def test_what_is_missing_at_one_look_only_was_on_its_way(
    keeper: Keeping, sent: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued_job(queued_at=timezone.now().replace(year=2020))
    me = alive(keeper)
    monkeypatch.setattr(queues, "depth", lambda *_: 0)  # a worker has just taken it

    keeper.redeliver()
    Worker.objects.filter(pk=me.pk).update(reserved=1)  # and tells of it
    keeper.redeliver()

    assert sent == []


def test_what_was_sent_again_is_not_missing_at_the_next_look(
    keeper: Keeping, sent: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        queued_job(queued_at=timezone.now().replace(year=2020))
    alive(keeper)
    monkeypatch.setattr(redelivery, "LIMIT", 1)
    monkeypatch.setattr(queues, "depth", lambda *_: 0)

    for _ in range(3):
        keeper.redeliver()

    assert len(sent) == len({job.id for job in sent}) == 2


def test_a_shortage_is_forgotten_when_nothing_is_overdue(
    keeper: Keeping, sent: list[Job], overdue: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive(keeper)
    monkeypatch.setattr(queues, "depth", lambda *_: 0)
    keeper.redeliver()
    Job.objects.update(queued_at=timezone.now())
    keeper.redeliver()
    Job.objects.update(queued_at=overdue.queued_at)

    keeper.redeliver()

    assert sent == []


@pytest.mark.usefixtures("overdue")
@pytest.mark.parametrize(("waiting", "reserved"), [(1, 0), (0, 1)])
def test_a_message_in_the_queue_or_in_a_workers_hands_is_not_lost(
    keeper: Keeping,
    sent: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    waiting: int,
    reserved: int,
) -> None:
    alive(keeper, reserved=reserved)
    monkeypatch.setattr(queues, "depth", lambda *_: waiting)

    keeper.redeliver()
    keeper.redeliver()

    assert sent == []
    assert "sent again" not in caplog.text


@pytest.mark.usefixtures("overdue")
def test_a_queue_that_does_not_tell_is_not_empty(
    keeper: Keeping,
    sent: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alive(keeper)
    answers = iter([0, None, 0, None])
    monkeypatch.setattr(queues, "depth", lambda *_: next(answers))

    for _ in range(4):
        keeper.redeliver()

    assert sent == []
    assert caplog.text.count("Broker does not tell how many messages wait") == 1


@pytest.mark.usefixtures("overdue")
def test_of_several_workers_one_redelivers(
    keeper: Keeping, sent: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(id=UUID("01900001-0000-7000-8000-000000000000"), seen=timezone.now())
    alive(keeper)
    depth = Mock(return_value=0)
    monkeypatch.setattr(queues, "depth", depth)

    keeper.redeliver()
    keeper.redeliver()

    depth.assert_not_called()
    assert sent == []


def test_without_overdue_jobs_the_broker_is_not_asked(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive(keeper)
    queued_job(queued_at=timezone.now())
    depth = Mock(return_value=0)
    monkeypatch.setattr(queues, "depth", depth)

    keeper.redeliver()

    depth.assert_not_called()


def test_it_notes_which_queues_it_consumes(keeper: Keeping) -> None:
    keeper.note_queues()

    assert Queue.objects.get().name == "celery"


def test_a_queue_that_it_only_publishes_to_is_not_consumed(keeper: Keeping) -> None:
    assert keeper.controller.app.amqp.queues["elsewhere"].name == "elsewhere"

    keeper.note_queues()

    assert [queue.name for queue in Queue.objects.all()] == ["celery"]


def test_a_duty_that_fails_is_logged_and_put_off(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rescue, "rescue_lost", Mock(side_effect=[OperationalError, ValueError]))

    keeper._attempt(keeper.rescue)
    keeper._attempt(keeper.rescue)

    assert "Keeper's duty put off duty=rescue" in caplog.text
    assert "Keeper's duty failed duty=rescue" in caplog.text


def test_the_thread_does_each_duty_in_its_time_until_it_leaves(
    keeper: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Event()
    counts = {"often": 0, "once": 0}

    def often() -> None:
        counts["often"] += 1
        if counts["often"] == 3:
            keeper.leaving = True
            done.set()

    def once() -> None:
        counts["once"] += 1

    monkeypatch.setattr(keeper, "_duties", lambda: [(often, 0.0), (once, 3600.0)])
    monkeypatch.setattr(keeper, "_read_inbox", lambda: None)

    keeper.start()
    ended = done.wait(30)
    keeper.join(30)

    assert ended
    assert counts == {"often": 3, "once": 1}


def test_every_duty_has_its_period(keeper: Keeping, settings: Project) -> None:
    settings.JOBMAN = {"HEARTBEAT": 7, "DISPATCH_EVERY": 2, "RESCUE_EVERY": 3}

    periods = {duty.__name__: period for duty, period in keeper._duties()}

    assert periods == {
        "beat": 7, "dispatch": 2, "run_errands": 2, "rescue": 3, "redeliver": 5.0, "enforce": 1.0,
        "note_queues": 30.0, "forget_troubles": 30.0,
    }  # fmt: skip
