"""The world: the database, a broker, workers and their clocks, and how all of it ends."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connection, transaction
from hypothesis import strategies as st

from celery_jobman.core import attempts, dispatching, redelivery, rescue, retries, workers
from celery_jobman.core.endings import Ending
from celery_jobman.core.steps import StepRunner
from celery_jobman.exceptions import ClaimLost, JobmanError
from celery_jobman.models import Job, Outcome, StepState
from celery_jobman.states import FINAL, State
from tests.factories import NOON, next_run_of, unsaved_job, worker
from tests.unit.histories.books import Books, snapshot
from tests.unit.histories.loops import OutOfTime
from tests.unit.histories.model import REFUSED, Body, Expected, Hand, Message, Saved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.endings import Run

#: Silence after which a worker is dead.
SILENCE = timedelta(seconds=30)
#: Time after which a queued job without a message is sent again.
AFTER = timedelta(seconds=30)
QUEUES = ("celery", "slow")
#: Which of several; they are counted round.
PICKS = st.integers(0, 11)
#: By how much a clock is wrong.
OFF = st.sampled_from([timedelta(0), timedelta(0), timedelta(minutes=10), -timedelta(minutes=10)])


class World(Books):
    """What all rules share.  Nothing is committed: each history is rolled back at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction._from_testcase = True  # type: ignore[attr-defined]
        self.transaction.__enter__()
        self.now: datetime = NOON
        self.hands: list[Hand] = []
        self.bodies: list[Body] = []
        self.messages: list[Message] = []
        self.lost: list[Message] = []
        #: What a slow dispatcher has read, with the epochs then.
        self.read: list[tuple[Job, int]] = []
        self.broker = "here"
        self.tried: list[tuple[Expected, bool]] = []
        self.begun: set[tuple[UUID, int]] = set()
        self.hire()

    @contextmanager
    def by_a_clock(self, off: timedelta) -> Iterator[None]:
        """Let what happens inside happen by a clock that is wrong."""
        self.note_ends()
        right, self.now = self.now, self.now + off
        yield
        self.note_ends()
        self.now = right

    # The broker.

    def publish_all(self, jobs: Sequence[Job]) -> tuple[int, Exception | None]:
        """Take messages up to the first that is refused; a full broker takes one of them."""
        for number, job in enumerate(jobs):
            try:
                self.publish(job, may_take=not number or self.broker != "full")
            except ConnectionError as error:
                for untried in jobs[number + 1 :]:
                    self.jobs[untried.id].epoch += 1  # what was sent before is outdated
                return number, error
        return len(jobs), None

    def publish(self, job: Job, *, may_take: bool = True) -> None:
        """Take a message, or refuse it; an unlucky broker takes it and says that it did not."""
        expected = self.jobs[job.id]
        expected.epoch += 1
        taken = may_take and self.broker in {"here", "full"}
        self.tried.append((expected, taken))
        if taken or self.broker == "unlucky":
            self.post(job)
        if not taken:
            raise ConnectionError("broker is away")

    def post(self, job: Job) -> None:
        expected = self.jobs[job.id]
        number = job.attempt + 1
        message = Message(expected, job.queue, job.delivery, number, expected.epoch)
        self.messages.append(message)

    def settle(self) -> int:
        """Write down what publishing did; return how many messages were tried."""
        tried, self.tried = self.tried, []
        for job, taken in tried:
            if job.state == State.QUEUED:
                job.hold(self.now)
            job.sent(self.now)
            if not taken:
                job.hold(self.now + REFUSED)
        return len(tried)

    # The workers.

    def hire(self, off: timedelta = timedelta(0)) -> Hand:
        hand = Hand(worker(seen=self.now).id, seen_at=self.now, off=off)
        self.hands.append(hand)
        return hand

    def able(self) -> list[Hand]:
        return [hand for hand in self.hands if not hand.frozen and not hand.gone]

    def awake(self) -> list[Body]:
        return [body for body in self.bodies if not body.hand.frozen]

    def deliver(self, message: Message, hand: Hand) -> None:
        """Let a worker read a message; it begins the attempt if it may."""
        job = message.job
        run = self.run_of(unsaved_job(id=job.id, attempt=message.number - 1), hand)
        expected = job.takes(message) and job.id in self.jobs
        assert attempts.claim(run, message.delivery) == expected, "a claim that was not foreseen"
        if expected:
            job.begin(hand.id)
            self.begin(job, hand, run)

    def run_of(self, row: Job, hand: Hand) -> Run:
        times = {"started_at": self.now + hand.off, "worker_id": hand.id, "pid": 1}
        return next_run_of(row, **times)

    def begin(self, job: Expected, hand: Hand, run: Run) -> None:
        assert (job.id, job.attempt) not in self.begun, "an attempt begins twice"
        self.begun.add((job.id, job.attempt))
        steps = StepRunner(job.id, run.number, passing=(OutOfTime,))
        self.bodies.append(Body(job, hand, run, steps))

    # What the keeper of a worker does.

    def dispatch_due(self) -> None:
        held = [job for job in self.jobs.values() if job.state == State.SCHEDULED]
        due = [job for job in held if job.available_at and job.available_at <= self.now]
        expired: list[UUID] = []
        dispatching.dispatch_due(self.publish_all, now=self.now, expired=expired.append)
        late = {job.id for job in due if job.has_expired(self.now)}
        assert set(expired) <= late
        for job_id in expired:
            self.jobs[job_id].move(State.CANCELLED)
        tried = self.settle()
        if self.broker == "here":
            assert tried == len(due) - len(late)
            assert set(expired) == late

    def redeliver(self, queue: str) -> None:
        queued = [j for j in self.jobs.values() if j.state == State.QUEUED and j.queue == queue]
        overdue = [job for job in queued if job.queued_at and job.queued_at < self.now - AFTER]
        known = sum(message.queue == queue for message in self.messages)
        missing = redelivery.missing(queue, known)
        redelivery.redeliver(queue, missing, self.publish, now=self.now, after=AFTER)
        expired = self.expired_among(overdue)
        tried = self.settle()
        if self.broker == "here":
            missing = max(len(queued) - known, 0)
            assert tried + expired == min(missing, len(overdue))

    def expired_among(self, waiting: list[Expected]) -> int:
        """Write down which of these were found to have expired; return how many."""
        late = [job for job in waiting if job.has_expired(self.now)]
        ended = Job.objects.filter(pk__in=[job.id for job in late], state=State.CANCELLED)
        for job_id in (ids := set(ended.values_list("pk", flat=True))):
            self.jobs[job_id].move(State.CANCELLED)
        return len(ids)

    def rescue(self, refused: Expected | None = None) -> None:
        """Take back what dead workers held; the database may refuse to write one of the jobs."""
        orphans = [job for job in self.orphans() if not job.is_set_aside(self.now)]
        with refusing(refused.id) if refused else nullcontext():
            taken = rescue.rescue_lost(silence=SILENCE, now=self.now)
        if refused in orphans:
            orphans.remove(refused)
            refused.set_aside_until(self.now)
        assert {each.job_id for each in taken} == {job.id for job in orphans}
        for job in orphans:
            job.lose(self.now)

    def orphans(self) -> list[Expected]:
        """Jobs that run, by their rows, on workers that are dead."""
        dead = {hand.id for hand in self.hands if hand.is_dead(self.now - SILENCE)}
        return [job for job in self.jobs.values() if self.holder(job) in dead]

    def holder(self, job: Expected) -> UUID | None:
        """The worker that the job's row names."""
        return job.worker_id if job.state == State.RUNNING else None

    def beat(self, hand: Hand) -> None:
        hand.seen_at = self.now
        workers.beat(hand.id, now=self.now)

    # What people do, alone and in what follows from it.

    def replay(self, job: Expected) -> None:
        """Let a job that has ended run what its loop skipped."""
        rows = job.steps["rows"]
        retries.replay_skipped(job.id, "rows", now=self.now)
        job.reopen(self.now)
        job.steps["rows"] = Saved(rows.position, StepState.REPLAYING, rows.value)

    # What is refused.

    def unless(self, allowed: bool, call: Callable[[], object]) -> None:  # noqa: FBT001 - reads as prose
        """Call; where it is not allowed it must say so, and change nothing at all."""
        if allowed:
            call()
            return
        before = snapshot()
        try:
            call()
        except (JobmanError, ClaimLost):
            pass
        else:
            raise AssertionError("what is not allowed was done")
        assert snapshot() == before, "a refusal that wrote something"

    # The end.

    def teardown(self) -> None:
        try:
            self.everything_comes_to_an_end()
        finally:
            self.transaction.__exit__(*ROLLED_BACK)

    def everything_comes_to_an_end(self) -> None:
        """Let every process die and a new worker start: it finishes what there is."""
        self.broker = "here"
        self.bodies.clear()
        hand = self.hire()
        for _ in range(8):
            if {job.state for job in self.jobs.values()} <= FINAL:
                break
            self.now += timedelta(hours=2)
            self.beat(hand)
            self.rescue()
            self.dispatch_due()
            for queue in QUEUES:
                self.redeliver(queue)
            self.work_off(hand)
        self.the_books_balance()
        assert {job.state for job in self.jobs.values()} <= FINAL

    def work_off(self, hand: Hand) -> None:
        waiting, self.messages = self.messages, []
        for message in waiting:
            self.deliver(message, hand)
        for body in self.bodies:
            self.finish(body, Outcome.SUCCEEDED, State.SUCCEEDED)
        self.bodies.clear()

    def finish(self, body: Body, outcome: Outcome, to: State, at: datetime | None = None) -> None:
        """End a body's attempt, which is refused where it has lost its claim."""
        ending = Ending(outcome=outcome, to=to, available_at=at)
        self.unless(body.holds, lambda: attempts.finish(body.run, ending, now=self.now))
        if body.holds:
            body.job.end(outcome, to, at)


@contextmanager
def refusing(job_id: UUID) -> Iterator[None]:
    """Let the database refuse every change of one job."""

    def refuse(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        named = {str(value).replace("-", "") for value in params or ()}
        if "UPDATE" in sql and "jobman_job" in sql and job_id.hex in named:
            raise IntegrityError("a constraint of the project")
        return execute(sql, params, *rest)

    with connection.execute_wrapper(refuse):
        yield


class _RolledBack(Exception):
    """Makes a transaction go back."""


ROLLED_BACK = (_RolledBack, _RolledBack(), None)


def one_of(things: list[Any], pick: int) -> Any:
    return things[pick % len(things)]
