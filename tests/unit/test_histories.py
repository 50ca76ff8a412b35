"""Random histories: whatever happens to a job in whatever order, the promises hold."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_jobman.core import (
    attempts,
    cancellation,
    jobs,
    redelivery,
    rescheduling,
    rescue,
    retries,
    schedule,
    workers,
)
from celery_jobman.core.endings import Ending, Fault
from celery_jobman.exceptions import ClaimLost, JobmanError
from celery_jobman.models import Job, Outcome, Worker
from celery_jobman.states import FINAL, TRANSITIONS, State
from tests.factories import NOON, next_run_of, unsaved_job, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from celery_jobman.core.endings import Run

pytestmark = pytest.mark.django_db

TICK = timedelta(seconds=40)
FAULT = Fault(error_class="ValueError", error_message="no stock")


@dataclass
class World:
    """One job, the messages that were ever sent for it, and the workers that run it."""

    job: Job
    now: datetime = NOON
    broker_takes: bool = True
    messages: list[tuple[int, int]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    asked_for_a_retry: bool = False

    def publish(self, job: Job) -> None:
        if not self.broker_takes:
            raise ConnectionError("broker is away")
        self.messages.append((job.delivery, job.attempt + 1))

    # What may happen.

    def time_passes(self) -> None:
        self.now += TICK

    def broker_goes_or_comes(self) -> None:
        self.broker_takes = not self.broker_takes

    def dispatcher_looks(self) -> None:
        schedule.dispatch_due(self.publish, now=self.now)

    def redeliverer_looks(self) -> None:
        redelivery.redeliver("celery", 0, self.publish, now=self.now, after=TICK / 2)

    def rescuer_looks(self) -> None:
        rescue.rescue_lost(silence=TICK / 2, now=self.now)

    def newest_message_arrives(self) -> None:
        self._arrive(-1)

    def oldest_message_arrives(self) -> None:
        self._arrive(0)

    def _arrive(self, index: int) -> None:
        if not self.messages:
            return
        delivery, number = self.messages[index]
        me = worker(seen=self.now).id
        job = Job.objects.get()
        run = next_run_of(job, number=number, worker_id=me, pid=1, started_at=self.now)
        if attempts.claim(run, delivery):
            assert delivery == job.delivery, "a stale message claimed the job"
            self.runs.append(run)
            self.begun.append(number)

    def workers_beat(self) -> None:
        for row in Worker.objects.all():
            workers.beat(row.id, now=self.now)

    def first_run_succeeds(self) -> None:
        self._end(0, Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED))

    def last_run_fails(self) -> None:
        self._end(-1, Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=FAULT))

    def last_run_backs_off(self) -> None:
        later = self.now + TICK
        ending = Ending(outcome=Outcome.FAILED, to=State.SCHEDULED, fault=FAULT, available_at=later)
        self._end(-1, ending)

    def first_run_is_interrupted(self) -> None:
        self._end(0, Ending(outcome=Outcome.INTERRUPTED, to=State.SCHEDULED, available_at=self.now))

    def _end(self, index: int, ending: Ending) -> None:
        if self.runs:
            attempts.finish(self.runs.pop(index), ending, now=self.now)

    def person_cancels(self) -> None:
        cancellation.cancel(self.job.id, now=self.now, actor="ana")

    def person_retries(self) -> None:
        retries.retry(self.job.id, now=self.now, confirm_succeeded=True, actor="ana")
        self.asked_for_a_retry = True

    def person_reschedules(self) -> None:
        rescheduling.reschedule(self.job.id, self.now + TICK, now=self.now, actor="ana")

    def job_expires(self) -> None:
        schedule.expire(self.job.id, now=self.now)


EVENTS: list[Callable[[World], None]] = [
    member for name, member in vars(World).items() if callable(member) and name[0] != "_"
]
EVENTS.remove(World.publish)  # type: ignore[arg-type]


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def check(world: World, before: Job, after: Job) -> None:
    """Hold what happened against the promises."""
    here, there = State(before.state), State(after.state)
    assert here == there or _leads(here, there), f"{here} does not lead to {there}"
    if here in FINAL and there != here:
        assert world.asked_for_a_retry, "only a person reopens a job"
    assert after.delivery >= before.delivery
    assert after.attempt >= before.attempt
    assert len(set(world.begun)) == len(world.begun), "no attempt begins twice"
    written = list(after.attempts.values_list("number", flat=True))
    assert len(set(written)) == len(written)
    assert after.attempt not in written or there != State.RUNNING, "a running attempt has no end"
    assert (there in FINAL) == (after.finished_at is not None)


def _leads(here: State, there: State) -> bool:
    """Whether some moves of the machine lead there; one event may make several."""
    reached = set(TRANSITIONS[here])
    for _ in range(2):
        reached |= {target for state in reached for target in TRANSITIONS[state]}
    return there in reached


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(EVENTS), min_size=5, max_size=40))
def test_no_order_of_events_breaks_a_promise(events: list[Callable[[World], None]]) -> None:
    with undone():
        world = World(jobs.enqueue(unsaved_job(max_attempts=3), now=NOON))
        world.publish(world.job)
        for event in events:
            before = Job.objects.get()
            _let(world, event)
            check(world, before, Job.objects.get())


def _let(world: World, event: Callable[..., Any]) -> None:
    """Let something happen; a refusal is fine, if nothing was written with it."""
    world.asked_for_a_retry = False
    before = Job.objects.values().get()
    try:
        event(world)
    except (JobmanError, ClaimLost):
        assert Job.objects.values().get() == before


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(EVENTS), max_size=25))
def test_whatever_happened_the_job_still_comes_to_an_end(
    events: list[Callable[[World], None]],
) -> None:
    with undone():
        world = World(jobs.enqueue(unsaved_job(max_attempts=3), now=NOON))
        world.publish(world.job)
        for event in events:
            _let(world, event)
        world.broker_takes = True
        world.runs.clear()  # every process dies

        for _ in range(12):
            for step in (
                World.time_passes,
                World.rescuer_looks,
                World.dispatcher_looks,
                World.redeliverer_looks,
                World.newest_message_arrives,
                World.first_run_succeeds,
            ):
                _let(world, step)

        assert Job.objects.get().state in FINAL
