"""Rules: what happens to messages, and what workers do about it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from celery_jobman.core import attempts, redelivery, schedule
from celery_jobman.models import Job
from celery_jobman.states import WAITING, State
from tests.factories import unsaved_job
from tests.unit.histories.model import Expected, Message
from tests.unit.histories.world import OFF, PICKS, QUEUES, World, one_of

#: Jobs at one time; more would make the histories slow, not richer.
MOST = 4
OLDEST, NEWEST = 0, -1


class Traffic(World):
    """What the broker does, and what workers do about it."""

    @rule(broker=st.sampled_from(["here", "here", "away", "unlucky", "full"]))
    def the_broker_comes_or_goes(self, broker: str) -> None:
        self.broker = broker

    @rule()
    def the_broker_loses_its_messages(self) -> None:
        self.lost += self.messages
        self.messages = []

    @precondition(lambda self: self.lost)
    @rule(pick=PICKS)
    def a_lost_message_turns_up(self, pick: int) -> None:
        self.messages.append(self.lost.pop(pick % len(self.lost)))

    @rule(duty=st.sampled_from(["dispatch", "read", *QUEUES]), off=OFF)
    def a_keeper_looks(self, duty: str, off: timedelta) -> None:
        with self.by_a_clock(off):
            if duty == "dispatch":
                self.dispatch_due()
            elif duty == "read":
                self._read_slowly()
            else:
                self.redeliver(duty)

    @rule(after=st.sampled_from([0, 4, 20]))
    def a_keeper_looks_for_the_dead(self, after: int) -> None:
        self.now += timedelta(seconds=after)
        self.rescue()

    @precondition(lambda self: len(self.orphans()) > 0)
    @rule(pick=PICKS)
    def a_keeper_looks_for_the_dead_while_a_job_cannot_be_written(self, pick: int) -> None:
        self.rescue(refused=one_of(self.orphans(), pick))

    def _read_slowly(self) -> None:
        rows = Job.objects.filter(state=State.SCHEDULED, available_at__lte=self.now)
        self.read = [(row, self.jobs[row.id].epoch) for row in rows]

    @precondition(lambda self: self.read)
    @rule()
    def a_slow_keeper_dispatches_what_it_has_read(self) -> None:
        row, epoch = self.read.pop()
        job = self.jobs.get(row.id)
        held = job is not None and job.state == State.SCHEDULED and job.epoch == epoch
        expires = row.expires_at is not None and row.expires_at <= self.now
        schedule.dispatch(row, self.publish, now=self.now)
        assert self.settle() == (held and not expires)
        waits = job is not None and job.epoch == epoch and job.state in WAITING
        if job is not None and expires and waits:
            job.move(State.CANCELLED)

    @precondition(lambda self: self.messages and self.able())
    @rule(message=PICKS, hand=PICKS, doubled=st.booleans())
    def a_message_arrives(self, message: int, hand: int, *, doubled: bool) -> None:
        self._arrives(message, hand, doubled=doubled)

    def _arrives(self, message: int, hand: int = 0, *, doubled: bool) -> None:
        taken = self.messages.pop(message % len(self.messages))
        if doubled:
            self.messages.append(taken)
        self.deliver(taken, one_of(self.able(), hand))

    @precondition(lambda self: self.outdated() and self.able())
    @rule(pick=PICKS, hand=PICKS)
    def a_message_arrives_that_was_sent_before_the_last(self, pick: int, hand: int) -> None:
        self.deliver(one_of(self.outdated(), pick), one_of(self.able(), hand))

    def outdated(self) -> list[Message]:
        """Messages of jobs that wait, for the attempt that they wait for, but of older epochs."""
        waiting = [each for each in self.messages if each.job.state in WAITING]
        following = [each for each in waiting if each.number == each.job.attempt + 1]
        return [each for each in following if each.epoch != each.job.epoch]

    # Three times, under different names, or most histories would be of jobs that never begin.

    @rule(hand=PICKS, doubled=st.booleans())
    def work_goes_on(self, hand: int, *, doubled: bool) -> None:
        self.go_on(NEWEST, hand, doubled=doubled)

    @rule(hand=PICKS)
    def work_goes_on_elsewhere(self, hand: int) -> None:
        self.go_on(NEWEST, hand, doubled=True)

    @rule(hand=PICKS, doubled=st.booleans())
    def work_goes_on_with_an_old_message(self, hand: int, *, doubled: bool) -> None:
        self.go_on(OLDEST, hand, doubled=doubled)

    def go_on(self, message: int, hand: int, *, doubled: bool) -> None:
        """Let somebody live who dispatches what is due, and begins a job."""
        if not self.able():
            self.hire()
        if message == NEWEST or not self.messages:
            self.dispatch_due()
        if self.messages:
            self._arrives(message, hand, doubled=doubled)

    @precondition(lambda self: len(self.jobs) < MOST and self.able())
    @rule(pick=PICKS, doubled=st.booleans())
    def a_message_comes_that_jobman_did_not_send(self, pick: int, *, doubled: bool) -> None:
        row, hand = unsaved_job(), one_of(self.able(), pick)
        run = self.run_of(row, hand)
        attempts.adopt(row, run)
        job = Expected(row.id, State.RUNNING, attempt=1, worker_id=hand.id)
        job.queued_at = run.started_at
        self.jobs[job.id] = job
        self.begin(job, hand, run)
        if doubled:
            self.messages.append(Message(job, job.queue, 1, 1, job.epoch))

    @precondition(lambda self: self.messages)
    @rule(pick=PICKS)
    def a_message_is_given_back(self, pick: int) -> None:
        """The worker that took it is stopping."""
        message = self.messages.pop(pick % len(self.messages))
        moved = schedule.put_back(message.job.id, message.delivery, now=self.now)
        assert moved == self._waits_for(message)
        if moved:
            message.job.hold(self.now)

    @precondition(lambda self: self.messages)
    @rule(pick=PICKS)
    def the_taker_of_a_message_dies(self, pick: int) -> None:
        message = self.messages.pop(pick % len(self.messages))
        waits, job = self._waits_for(message), message.job
        redelivery.resend(job.id, message.delivery, self.publish, now=self.now)
        expired = self.expired_among([job] if waits else [])
        assert self.settle() + expired == waits

    def _waits_for(self, message: Message) -> bool:
        job = message.job
        return job.state == State.QUEUED and job.epoch == message.epoch

    @precondition(lambda self: self.messages)
    @rule(pick=PICKS)
    def a_message_expires(self, pick: int) -> None:
        message = one_of(self.messages, pick)
        done = schedule.expire(message.job.id, now=self.now, delivery=message.delivery)
        waiting = message.job.state in {State.QUEUED, State.SCHEDULED}
        assert done == (waiting and message.job.epoch == message.epoch)
        if done:
            message.job.move(State.CANCELLED)
