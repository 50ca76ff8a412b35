"""Rules: what happens by itself, to messages, workers and the bodies that they run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from celery_jobman.core import cancellation, progress, redelivery, rescue, schedule, workers
from celery_jobman.core.progress import Progress
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Job, Outcome, StepState
from celery_jobman.states import WAITING, State
from tests.unit.histories.model import Body, Message, Saved
from tests.unit.histories.world import QUEUES, World

if TYPE_CHECKING:
    from collections.abc import Callable

#: Which of several; they are counted round.
PICKS = st.integers(0, 11)
STEPS = st.sampled_from(["load", "check", "send"])
WAITS = st.sampled_from([timedelta(0), timedelta(seconds=40), timedelta(minutes=10)])


class Traffic(World):
    """What the broker does, and what workers do about it."""

    @rule(time=st.sampled_from([1, 10, 40, 600]), rescues=st.booleans())
    def time_passes(self, time: int, *, rescues: bool) -> None:
        self.now += timedelta(seconds=time)
        if rescues:
            self.rescue()

    @rule(broker=st.sampled_from(["here", "here", "away", "unlucky"]))
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

    @rule(duty=st.sampled_from(["dispatch", "read", "rescue", *QUEUES]))
    def a_keeper_looks(self, duty: str) -> None:
        if duty == "dispatch":
            self.dispatch_due()
        elif duty == "rescue":
            self.rescue()
        elif duty == "read":
            self._read_slowly()
        else:
            self.redeliver(duty)

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
        self.deliver(taken, _of(self.able(), hand))

    # Three times, under different names, or most histories would be of jobs that never begin.

    @rule(hand=PICKS, doubled=st.booleans())
    def work_goes_on(self, hand: int, *, doubled: bool) -> None:
        self.go_on(-1, hand, doubled=doubled)

    @rule(hand=PICKS)
    def work_goes_on_elsewhere(self, hand: int) -> None:
        self.go_on(-1, hand, doubled=True)

    @rule(hand=PICKS, doubled=st.booleans())
    def work_goes_on_with_an_old_message(self, hand: int, *, doubled: bool) -> None:
        self.go_on(0, hand, doubled=doubled)

    def go_on(self, message: int, hand: int, *, doubled: bool) -> None:
        """Let somebody live who dispatches what is due, and begins a job."""
        if not self.able():
            self.hire()
        if not self.messages:
            self.dispatch_due()
        if self.messages:
            self._arrives(message, hand, doubled=doubled)

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
        message = _of(self.messages, pick)
        done = schedule.expire(message.job.id, now=self.now, delivery=message.delivery)
        waiting = message.job.state in {State.QUEUED, State.SCHEDULED}
        assert done == (waiting and message.job.epoch == message.epoch)
        if done:
            message.job.move(State.CANCELLED)


class Hands(World):
    """How workers live and die."""

    @rule(what=st.sampled_from(["one starts", "they beat", "they come back"]))
    def workers_live(self, what: str) -> None:
        if what == "one starts" and len(self.able()) < 4:
            self.hire()
        elif what == "they come back":
            for hand in self.hands:
                hand.frozen = False
        self._beat_all()

    def _beat_all(self) -> None:
        for hand in self.able():
            self.beat(hand)

    @precondition(lambda self: self.able())
    @rule(pick=PICKS)
    def a_worker_freezes(self, pick: int) -> None:
        _of(self.able(), pick).frozen = True

    @precondition(lambda self: self.hands)
    @rule(pick=PICKS, politely=st.booleans())
    def a_worker_ends(self, pick: int, *, politely: bool) -> None:
        hand = _of(self.hands, pick)
        self.bodies = [body for body in self.bodies if body.hand is not hand]
        hand.gone = True
        if politely:
            workers.leave(hand.id, now=self.now)
            hand.said_goodbye = True

    @precondition(lambda self: self.bodies)
    @rule(pick=PICKS)
    def a_process_dies_and_its_worker_sees_it(self, pick: int) -> None:
        body = self.bodies.pop(pick % len(self.bodies))
        row = Job.objects.filter(pk=body.job.id, state=State.RUNNING).first()
        if row is not None and row.attempt == body.run.number:
            assert rescue.lose(row, "its process died", now=self.now)
            body.job.lose(self.now)

    @precondition(lambda self: self.bodies)
    @rule(pick=PICKS, delay=WAITS, final=st.booleans())
    def the_hard_time_limit_runs_out(self, pick: int, delay: timedelta, *, final: bool) -> None:
        body = self.bodies.pop(pick % len(self.bodies))
        if body.holds:
            row = Job.objects.get(pk=body.job.id)
            assert rescue.time_out(row, "too long", now=self.now, delay=delay, final=final)
            body.job.time_out(self.now + delay, final=final)


class Bodies(Hands, Traffic):
    """What a body does, whether it still holds its job or not."""

    @precondition(lambda self: self.awake())
    @rule(
        pick=PICKS, name=STEPS, atomic=st.booleans(), fails=st.booleans(), meanwhile=st.booleans()
    )
    def a_step(self, pick: int, name: str, *, atomic: bool, fails: bool, meanwhile: bool) -> None:
        self.step(_of(self.awake(), pick), name, atomic=atomic, fails=fails, meanwhile=meanwhile)

    def step(
        self,
        body: Body,
        name: str,
        *,
        atomic: bool = False,
        fails: bool = False,
        meanwhile: bool = False,
    ) -> None:
        value = f"{body.run.number} {len(body.used)}"

        def work() -> str:
            if atomic:
                Group.objects.create(name=f"{body.job.id} {name} {value}")
            if meanwhile:
                self.the_worker_is_silent(body)
            if fails:
                raise ValueError("no stock")
            return value

        meanwhile = meanwhile and not atomic  # it would happen inside the step's transaction
        if name not in body.used:
            result = self._ran(body, name, lambda: body.steps.run(name, work, atomic=atomic))
            if result == value and body.holds:
                self.effects += atomic

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS, ends=st.booleans())
    def a_worker_is_taken_for_dead_and_comes_back(self, pick: int, *, ends: bool) -> None:
        """Its job goes on elsewhere, and the old body may be the first to end."""
        body = _of(self.awake(), pick)
        self.the_worker_is_silent(body)
        self.go_on(-1, pick, doubled=False)
        if ends:
            self._ends(self.awake().index(body), Outcome.SUCCEEDED, State.SUCCEEDED)

    def the_worker_is_silent(self, body: Body) -> None:
        """Take the body's job from it while it is at work."""
        body.hand.frozen = True
        self.now += timedelta(minutes=1)
        self._beat_all()
        self.rescue()
        body.hand.frozen = False

    def _ran(self, body: Body, name: str, call: Callable[[], Any]) -> Any:
        """Run a step, and write down what it must have stored."""
        position, known = len(body.used), body.job.steps.get(name)
        body.used.append(name)
        reused = known is not None and known.done
        try:
            result = call()
        except ValueError:
            result, state = None, StepState.FAILED
        except ClaimLost:
            assert not body.holds, "a body that holds its job was turned away"
            return None
        else:
            state = StepState.SUCCEEDED
        if body.holds and reused:
            assert known is not None
            assert result == known.value, "a checkpoint that was reported is gone"
            return None
        if body.holds:
            kept = known.position if known else position
            old = known.value if known else None
            value = result if state == StepState.SUCCEEDED else old
            body.job.steps[name] = Saved(kept, state, value)
        return result

    @rule(
        hand=PICKS,
        names=st.lists(STEPS, max_size=2, unique=True),
        atomic=st.booleans(),
        asked=st.booleans(),
        end=st.sampled_from([None, State.SUCCEEDED, State.FAILED, State.SCHEDULED]),
    )
    def a_job_runs(
        self, hand: int, names: list[str], end: State | None, *, atomic: bool, asked: bool
    ) -> None:
        """Begin a job, run some steps, and perhaps end it: what a life mostly is."""
        self.go_on(-1, hand, doubled=True)
        last = len(self.awake()) - 1
        for name in names if last >= 0 else ():
            self.step(self.awake()[last], name, atomic=atomic)
        if asked and last >= 0 and self.awake()[last].holds:
            cancellation.cancel(self.awake()[last].job.id, now=self.now)
            self.awake()[last].job.cancel(force=False)
        if end is not None and last >= 0:
            outcome = Outcome.SUCCEEDED if end == State.SUCCEEDED else Outcome.FAILED
            self._ends(last, outcome, end, timedelta(0) if end == State.SCHEDULED else None)

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS, bad=st.booleans(), meanwhile=st.booleans())
    def an_iteration(self, pick: int, *, bad: bool, meanwhile: bool) -> None:
        body = _of(self.awake(), pick)
        if "rows" in body.used:
            return
        loop = Loop(self, body, bad=bad, meanwhile=meanwhile)
        try:
            body.steps.iterate("rows", [1, 2, 3], each=loop.each, on_error="skip", every=1)
        except ClaimLost:
            assert not body.holds, "a body that holds its job was turned away"
        body.used.append("rows")
        if body.holds:
            loop.ended()

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def progress_is_reported(self, pick: int) -> None:
        body = _of(self.awake(), pick)
        report = Progress(1, 2)
        number = body.run.number
        written = progress.write(body.job.id, number, now=self.now, report=report, step="load")
        assert written == body.holds

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def a_body_succeeds(self, pick: int) -> None:
        self._ends(pick, Outcome.SUCCEEDED, State.SUCCEEDED)

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def a_body_fails(self, pick: int) -> None:
        self._ends(pick, Outcome.FAILED, State.FAILED)

    @precondition(lambda self: self.awake())
    @rule(
        pick=PICKS,
        outcome=st.sampled_from(
            [Outcome.FAILED, Outcome.TIMED_OUT, Outcome.RELEASED, Outcome.INTERRUPTED]
        ),
        wait=WAITS,
    )
    def a_body_goes_back_on_the_schedule(
        self, pick: int, outcome: Outcome, wait: timedelta
    ) -> None:
        self._ends(pick, outcome, State.SCHEDULED, wait)

    @precondition(lambda self: self.awake())
    @rule(pick=PICKS)
    def a_body_stops_because_it_was_asked_to(self, pick: int) -> None:
        if _of(self.awake(), pick).job.asked_to_stop:
            self._ends(pick, Outcome.CANCELLED, State.CANCELLED)

    def _ends(self, pick: int, outcome: Outcome, to: State, wait: timedelta | None = None) -> None:
        body = _of(self.awake(), pick)
        self.bodies.remove(body)
        body.steps.close()
        self.finish(body, outcome, to, None if wait is None else self.now + wait)


class Loop:
    """A loop over three items, whose cursor is saved after each."""

    def __init__(self, world: Bodies, body: Body, *, bad: bool, meanwhile: bool) -> None:
        self.world, self.body, self.bad, self.meanwhile = world, body, bad, meanwhile
        self.known = body.job.steps.get("rows")
        self.position = self.known.position if self.known else len(body.used)
        self.seen: list[int] = []

    def each(self, item: int) -> None:
        self.seen.append(item)
        if item != 2:
            return
        if self.meanwhile:
            if self.body.holds and self.seen == [1, 2]:
                self._save(StepState.RUNNING, [], 1)
            self.world.the_worker_is_silent(self.body)
        if self.bad:
            raise ValueError("no such row")

    def ended(self) -> None:
        """Hold what it ran against the model, and write down what it must have stored."""
        left = self._left()
        assert self.seen == left, "an item that was done ran again, or one was forgotten"
        if not (self.known and self.known.done):
            before = self.known.value[0] if self.known and not self._replays() else []
            skipped = [2] if self.bad and 2 in left else before
            self._save(StepState.SUCCEEDED, skipped, 3)

    def _replays(self) -> bool:
        return self.known is not None and self.known.state == StepState.REPLAYING

    def _left(self) -> list[int]:
        if self.known is None:
            return [1, 2, 3]
        skipped, done = self.known.value
        return list(skipped) if self._replays() else [1, 2, 3][done:]

    def _save(self, state: StepState, skipped: list[int], done: int) -> None:
        self.body.job.steps["rows"] = Saved(self.position, state, (skipped, done))


def _of(things: list[Any], pick: int) -> Any:
    return things[pick % len(things)]
