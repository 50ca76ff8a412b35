from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction

from celery_jobman.core import schedule
from celery_jobman.core.dispatching import Dispatched, dispatch_all, dispatch_due
from celery_jobman.core.schedule import REFUSED_DELAY
from celery_jobman.models import Job
from celery_jobman.models.database import route
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, job_in, scheduled_job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

AWAY = "ConnectionError: enough"


class Broker:
    """Takes messages, as many as it likes."""

    def __init__(self, likes: int = 1000) -> None:
        self.likes = likes
        self.asked: list[int] = []
        self.taken: list[tuple[UUID, int]] = []

    def publish(self, jobs: Sequence[Job]) -> tuple[int, Exception | None]:
        self.asked.append(len(jobs))
        for number, job in enumerate(jobs):
            if len(self.taken) == self.likes:
                return number, ConnectionError("enough")
            self.taken.append((job.id, job.delivery))
        return len(jobs), None

    @property
    def ids(self) -> list[UUID]:
        return [job_id for job_id, _ in self.taken]


@pytest.fixture
def broker() -> Broker:
    return Broker()


def waits(job: Job) -> tuple[str, object, str]:
    job.refresh_from_db()
    return job.state, job.available_at, job.dispatch_error


def test_a_job_that_is_due_is_given_to_the_broker(broker: Broker) -> None:
    job = scheduled_job(available_at=NOON, dispatch_error="refused once", delivery=3)

    assert dispatch_due(broker.publish, now=NOON) == 1

    job.refresh_from_db()
    assert broker.taken == [(job.id, 4)]
    assert (job.state, job.queued_at, job.delivery) == (State.QUEUED, NOON, 4)
    assert job.dispatch_error == ""


def test_a_job_that_is_not_due_yet_waits(broker: Broker) -> None:
    scheduled_job(available_at=NOON + timedelta(seconds=1))

    assert dispatch_due(broker.publish, now=NOON) == 0
    assert broker.asked == []


def test_where_nothing_is_due_one_look_is_enough(broker: Broker, budget: Budget) -> None:
    with budget(1):
        assert dispatch_due(broker.publish, now=NOON) == 0


@pytest.mark.parametrize("state", sorted(set(State) - {State.SCHEDULED}))
def test_only_scheduled_jobs_are_dispatched(state: State, broker: Broker) -> None:
    job_in(state, available_at=EARLIER)

    assert dispatch_due(broker.publish, now=NOON) == 0
    assert broker.asked == []


def test_the_longest_due_go_first(broker: Broker) -> None:
    late = scheduled_job(available_at=NOON)
    middle = scheduled_job(available_at=NOON - timedelta(seconds=1))
    early = scheduled_job(available_at=EARLIER)

    dispatch_due(broker.publish, now=NOON)

    assert broker.ids == [early.id, middle.id, late.id]


@pytest.mark.parametrize("limit", [1, 2])
def test_one_call_sends_a_limited_number(limit: int, broker: Broker) -> None:
    for _ in range(3):
        scheduled_job()

    assert dispatch_due(broker.publish, now=NOON, limit=limit) == len(broker.taken) == limit


def test_the_first_finds_out_whether_the_broker_is_there() -> None:
    first = scheduled_job(available_at=EARLIER)
    second = scheduled_job(available_at=NOON)
    broker = Broker(likes=0)

    assert dispatch_due(broker.publish, now=NOON) == 0

    assert broker.asked == [1]
    assert waits(first) == (State.SCHEDULED, NOON + REFUSED_DELAY, AWAY)
    assert waits(second) == (State.SCHEDULED, NOON, "")


def test_an_expired_job_does_not_hold_up_the_others(broker: Broker) -> None:
    scheduled_job(expires_at=EARLIER)
    job = scheduled_job()

    assert dispatch_due(broker.publish, now=NOON) == 1
    assert broker.ids == [job.id]


def test_many_are_dispatched_by_one_statement_for_all_that_are_alike(
    broker: Broker, budget: Budget
) -> None:
    for _ in range(9):
        scheduled_job(delivery=2)
    # In a transaction of its own, here a savepoint.
    with budget(4):
        dispatch_all(Job.objects.due(NOON), broker.publish, now=NOON)

    assert len(broker.taken) == 9


def test_every_job_is_queued_and_sent_with_its_delivery(broker: Broker) -> None:
    jobs = [scheduled_job(delivery=delivery) for delivery in (0, 3, 0)]

    done = dispatch_all(Job.objects.due(NOON).order_by("pk"), broker.publish, now=NOON)

    assert done == Dispatched(3, all_taken=True)
    assert broker.taken == [(jobs[0].id, 1), (jobs[1].id, 4), (jobs[2].id, 1)]
    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.queued_at) == ("queued", NOON)
        assert (job.id, job.delivery) in broker.taken


def test_what_the_broker_refuses_is_held_and_what_was_not_tried_is_as_before() -> None:
    taken = scheduled_job()
    refused = scheduled_job()
    others = [scheduled_job(delivery=1), scheduled_job(dispatch_error="once", refused_at=EARLIER)]
    broker = Broker(likes=1)

    done = dispatch_all(Job.objects.due(NOON).order_by("pk"), broker.publish, now=NOON)

    assert done == Dispatched(1, all_taken=False)
    assert waits(taken)[0] == State.QUEUED
    assert waits(refused) == (State.SCHEDULED, NOON + REFUSED_DELAY, AWAY)
    assert [waits(job) for job in others] == [
        (State.SCHEDULED, EARLIER, ""),
        (State.SCHEDULED, EARLIER, "once"),
    ]


def test_since_when_the_broker_takes_no_message_is_kept_over_all_its_refusals() -> None:
    job = scheduled_job(dispatch_error=AWAY, refused_at=EARLIER)

    dispatch_due(Broker(likes=0).publish, now=NOON)

    job.refresh_from_db()
    assert job.refused_at == EARLIER


def test_a_message_that_left_unnoticed_is_outdated_once_another_is_sent() -> None:
    first, second = scheduled_job(delivery=0), scheduled_job(delivery=0)
    dispatch_all(Job.objects.due(NOON).order_by("pk"), Broker(likes=0).publish, now=NOON)
    broker = Broker()

    dispatch_due(broker.publish, now=LATER)

    assert set(broker.taken) == {(first.id, 2), (second.id, 2)}


def test_a_job_that_somebody_else_dispatched_is_left_to_him(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = scheduled_job(delivery=0), scheduled_job(delivery=0)

    def meanwhile(*_: object) -> bool:
        Job.objects.filter(pk=theirs.id).update(delivery=1, state=State.QUEUED)
        return False

    monkeypatch.setattr(schedule, "has_expired", meanwhile)

    assert dispatch_all(Job.objects.due(NOON), broker.publish, now=NOON).sent == 1
    assert broker.taken == [(mine.id, 1)]


@pytest.mark.django_db(transaction=True)
def test_two_dispatchers_share_what_is_due(side_door: str, broker: Broker) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("the database has no SKIP LOCKED")
    held, free = scheduled_job(available_at=EARLIER), scheduled_job(available_at=NOON)

    with transaction.atomic():
        Job.objects.select_for_update().get(pk=held.id)
        with route(side_door):
            assert dispatch_due(broker.publish, now=NOON) == 1

    assert broker.ids == [free.id]


def test_an_expired_job_is_cancelled_instead(broker: Broker) -> None:
    job = scheduled_job(expires_at=EARLIER)
    told: list[UUID] = []

    done = dispatch_all(Job.objects.due(NOON), broker.publish, now=NOON, expired=told.append)

    assert done == Dispatched(0, all_taken=True)
    assert waits(job)[0] == State.CANCELLED
    assert (told, broker.asked) == ([job.id], [])
