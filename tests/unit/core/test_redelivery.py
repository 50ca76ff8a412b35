from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.core import redelivery, schedule, transitions, troubles
from celery_jobman.core.redelivery import missing, overdue, redeliver, resend
from celery_jobman.exceptions import JobUnbegun
from celery_jobman.models import Duty, Job, Trouble
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, job_in, queued_job

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.django_db

AFTER = timedelta(minutes=1)


class Broker:
    """Takes messages until it is told to refuse them."""

    def __init__(self, takes: int = 1000) -> None:
        self.takes = takes
        self.sent: list[tuple[Any, int]] = []

    def publish(self, job: Job) -> None:
        if len(self.sent) >= self.takes:
            raise ConnectionError("broker is away")
        self.sent.append((job.id, job.delivery))


def again(broker: Broker, messages: int = 0, queue: str = "celery") -> int:
    lost = missing(queue, messages)
    return redeliver(queue, lost, broker.publish, now=NOON, after=AFTER)


def test_jobs_queued_for_long_are_counted_for_each_queue() -> None:
    for queue in ("celery", "celery", "slow"):
        queued_job(queue=queue)
    queued_job(queued_at=NOON)

    assert overdue(now=NOON, after=AFTER) == {"celery": 2, "slow": 1}


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED}))
def test_only_queued_jobs_can_be_overdue(state: State) -> None:
    job_in(state)

    assert overdue(now=NOON, after=AFTER) == {}


@pytest.mark.parametrize("kind", [{"observed": True}, {"eager": True}])
def test_jobs_without_a_message_of_ours_are_never_sent_again(kind: dict[str, bool]) -> None:
    queued_job(**kind)
    broker = Broker()

    assert overdue(now=NOON, after=AFTER) == {}
    assert again(broker) == 0
    assert broker.sent == []


def test_a_lost_message_is_sent_again_under_a_new_number() -> None:
    job = queued_job(delivery=3)
    broker = Broker()

    assert again(broker) == 1

    job.refresh_from_db()
    assert broker.sent == [(job.id, job.delivery)]
    assert (job.state, job.queued_at) == (State.QUEUED, NOON)
    assert job.delivery > 3


def test_while_every_message_is_somewhere_nothing_is_sent() -> None:
    queued_job()
    queued_job(queued_at=NOON)
    broker = Broker()

    assert again(broker, messages=2) == 0
    assert broker.sent == []


def test_as_many_are_sent_as_are_missing_oldest_first() -> None:
    young = queued_job(queued_at=EARLIER + timedelta(seconds=1))
    old = queued_job(queued_at=EARLIER)
    broker = Broker()

    assert again(broker, messages=1) == 1
    assert [job_id for job_id, _ in broker.sent] == [old.id]
    young.refresh_from_db()
    assert young.delivery == 1


def test_a_job_queued_a_moment_ago_is_left_alone() -> None:
    queued_job(queued_at=NOON - AFTER)

    assert again(Broker()) == 0


def test_other_queues_are_left_alone() -> None:
    queued_job(queue="slow")

    assert again(Broker(), queue="celery") == 0


def test_an_eager_job_makes_no_message_look_lost() -> None:
    queued_job(eager=True)
    queued_job()

    assert again(Broker(), messages=1) == 0


def test_at_the_first_refusal_the_rest_waits() -> None:
    jobs = [queued_job(queued_at=EARLIER + timedelta(seconds=n)) for n in range(3)]
    broker = Broker(takes=1)

    assert again(broker) == 1
    states = [Job.objects.get(pk=job.id).state for job in jobs]
    assert states == [State.QUEUED, State.SCHEDULED, State.QUEUED]


def test_one_call_sends_a_limited_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redelivery, "LIMIT", 2)
    for _ in range(3):
        queued_job()

    assert again(Broker()) == 2


def test_a_job_that_moved_on_meanwhile_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    job = queued_job()
    move = transitions.try_move

    def start_first(*args: Any, **options: Any) -> bool:
        started = {"state": State.RUNNING, "attempt": 1, "started_at": NOON}
        Job.objects.filter(pk=job.id, state=State.QUEUED).update(**started)
        return move(*args, **options)

    monkeypatch.setattr(transitions, "try_move", start_first)
    broker = Broker()

    assert again(broker) == 0
    assert broker.sent == []


def test_a_job_sent_by_another_worker_meanwhile_is_not_sent_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = queued_job()
    dispatch = schedule.dispatch

    def be_overtaken(*args: Any, **options: Any) -> bool | None:
        Job.objects.filter(pk=job.id).update(state=State.QUEUED)
        return dispatch(*args, **options)

    monkeypatch.setattr(schedule, "dispatch", be_overtaken)
    broker = Broker()

    assert again(broker) == 0
    assert broker.sent == []


def test_a_job_whose_process_died_before_the_claim_is_sent_again() -> None:
    job = queued_job(delivery=3)
    broker = Broker()

    assert resend(job.id, 3, broker.publish, now=NOON)
    job.refresh_from_db()
    assert broker.sent == [(job.id, job.delivery)]


@pytest.mark.parametrize("moved_on", [{"delivery": 4}, {"state": State.BLOCKED}])
def test_a_job_that_moved_on_from_that_delivery_is_not(moved_on: dict[str, Any]) -> None:
    job = queued_job(delivery=3)
    Job.objects.filter(pk=job.id).update(**moved_on)
    broker = Broker()

    assert not resend(job.id, 3, broker.publish, now=NOON)
    assert broker.sent == []


def test_an_expired_job_is_cancelled_instead_of_sent_again() -> None:
    job = queued_job(expires_at=NOON)
    broker = Broker()

    assert again(broker) == 0
    job.refresh_from_db()
    assert (job.state, broker.sent) == (State.CANCELLED, [])


def test_what_expires_instead_of_being_sent_again_is_told() -> None:
    lost, taken = (queued_job(expires_at=NOON, queue=name) for name in ("celery", "other"))
    told: list[UUID] = []

    redeliver("celery", 1, Broker().publish, now=NOON, after=AFTER, expired=told.append)
    resend(taken.id, 1, Broker().publish, now=NOON, expired=told.append)

    assert told == [lost.id, taken.id]


def test_a_job_that_is_not_expired_yet_is_sent_again() -> None:
    queued_job(expires_at=LATER)

    assert again(Broker()) == 1


def test_a_job_that_no_worker_begins_is_a_trouble_and_waits_longer_each_time() -> None:
    job = queued_job(delivery=2)
    broker = Broker()

    assert again(broker) == 1
    assert again(broker) == 0  # its pause has just begun

    trouble = Trouble.objects.get(row_id=job.id)
    assert (trouble.duty, trouble.tries) == (Duty.BEGIN, 1)
    assert trouble.error == "its message was sent 2 times, and no worker began it"


def test_the_first_message_that_is_lost_is_no_trouble_of_its_job() -> None:
    queued_job(delivery=1)

    assert again(Broker()) == 1
    assert not Trouble.objects.exists()


def test_a_job_is_not_sent_again_for_ever() -> None:
    job = queued_job(delivery=2)
    broker, now, told = Broker(), NOON, list[Any]()

    for _ in range(2 * redelivery.MOST_UNBEGUN):
        now += troubles.LONGEST
        redeliver(
            "celery",
            1,
            broker.publish,
            now=now,
            after=AFTER,
            given_up=lambda *given: told.append(given),
        )

    job.refresh_from_db()
    assert len(broker.sent) == redelivery.MOST_UNBEGUN
    assert (job.state, job.attempt) == (State.FAILED, 1)
    assert job.error_class == "celery_jobman.exceptions.JobUnbegun"
    assert "and no worker began it" in job.error_message
    ((told_id, error),) = told
    assert (told_id, type(error)) == (job.id, JobUnbegun)


def test_a_process_that_dies_at_each_claim_is_not_fed_for_ever() -> None:
    job = queued_job(delivery=1)
    broker = Broker()

    for _ in range(2 * redelivery.MOST_UNBEGUN):
        job.refresh_from_db()
        resend(job.id, job.delivery, broker.publish, now=NOON)

    job.refresh_from_db()
    assert job.state == State.FAILED
    assert len(broker.sent) == redelivery.MOST_UNBEGUN + 1


def test_a_refused_claim_that_was_noted_is_not_counted_twice() -> None:
    job = queued_job(delivery=2)
    troubles.note(Duty.BEGIN, job.id, ValueError("no"), now=NOON - troubles.SHORTEST)

    again(Broker())

    assert Trouble.objects.get(row_id=job.id).tries == 1


def test_what_another_worker_begins_meanwhile_is_not_given_up() -> None:
    job = queued_job(delivery=2)
    for _ in range(redelivery.MOST_UNBEGUN):
        troubles.note(Duty.BEGIN, job.id, "not begun", now=NOON - 2 * troubles.LONGEST)
    told: list[Any] = []
    Job.objects.update(delivery=3)

    redelivery._again(job, Broker().publish, NOON, bool, lambda *given: told.append(given))

    job.refresh_from_db()
    assert (job.state, told) == (State.QUEUED, [])
