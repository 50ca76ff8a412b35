"""The world: the database, a broker, workers and a clock, and what must hold in it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.db import connection, transaction
from hypothesis.stateful import RuleBasedStateMachine, invariant

from celery_jobman.core import attempts, redelivery, rescue, schedule, workers
from celery_jobman.core.endings import Ending
from celery_jobman.core.steps import StepRunner
from celery_jobman.exceptions import ClaimLost, JobmanError
from celery_jobman.models import Attempt, Job, JobAction, Outcome, Step
from celery_jobman.states import FINAL, State
from tests.factories import NOON, next_run_of, unsaved_job, worker
from tests.unit.histories.model import COLUMNS, MARKS, REFUSED, Body, Expected, Hand, Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

#: Silence after which a worker is dead.
SILENCE = timedelta(seconds=30)
#: Time after which a queued job without a message is sent again.
AFTER = timedelta(seconds=30)
QUEUES = ("celery", "slow")


class World(RuleBasedStateMachine):
    """What all rules share.  Nothing is committed: each history is rolled back at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction._from_testcase = True  # type: ignore[attr-defined]
        self.transaction.__enter__()
        self.now: datetime = NOON
        self.jobs: dict[UUID, Expected] = {}
        self.hands: list[Hand] = []
        self.bodies: list[Body] = []
        self.messages: list[Message] = []
        self.lost: list[Message] = []
        #: What a slow dispatcher has read, with the epochs then.
        self.read: list[tuple[Job, int]] = []
        self.broker = "here"
        self.tried: list[tuple[Expected, bool]] = []
        self.actions: list[tuple[Any, ...]] = []
        self.begun: set[tuple[UUID, int]] = set()
        self.effects = Group.objects.count()
        self.hire()

    # The broker.

    def publish(self, job: Job) -> None:
        """Take a message, or refuse it; an unlucky broker takes it and says that it did not."""
        expected = self.jobs[job.id]
        expected.epoch += 1
        self.tried.append((expected, self.broker == "here"))
        if self.broker != "away":
            self.post(job)
        if self.broker != "here":
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

    def hire(self) -> Hand:
        hand = Hand(worker(seen=self.now).id, seen_at=self.now)
        self.hands.append(hand)
        return hand

    def able(self) -> list[Hand]:
        return [hand for hand in self.hands if not hand.frozen and not hand.gone]

    def awake(self) -> list[Body]:
        return [body for body in self.bodies if not body.hand.frozen]

    def deliver(self, message: Message, hand: Hand) -> None:
        """Let a worker read a message; it begins the attempt if it may."""
        job = message.job
        fields = {"id": job.id, "attempt": message.number - 1}
        times = {"started_at": self.now, "worker_id": hand.id, "pid": 1}
        run = next_run_of(unsaved_job(**fields), **times)
        expected = job.takes(message) and job.id in self.jobs
        assert attempts.claim(run, message.delivery) == expected, "a claim that was not foreseen"
        if expected:
            job.begin(hand.id)
            assert (job.id, job.attempt) not in self.begun, "an attempt begins twice"
            self.begun.add((job.id, job.attempt))
            self.bodies.append(Body(job, hand, run, StepRunner(job.id, run.number)))

    # What the keeper of a worker does.

    def dispatch_due(self) -> None:
        held = [job for job in self.jobs.values() if job.state == State.SCHEDULED]
        due = [job for job in held if job.available_at and job.available_at <= self.now]
        expired: list[UUID] = []
        schedule.dispatch_due(self.publish, now=self.now, expired=expired.append)
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

    def rescue(self) -> None:
        taken = rescue.rescue_lost(silence=SILENCE, now=self.now)
        dead = {hand.id for hand in self.hands if hand.is_dead(self.now - SILENCE)}
        orphans = [job for job in self.jobs.values() if self.holder(job) in dead]
        assert {each.job_id for each in taken} == {job.id for job in orphans}
        for job in orphans:
            job.lose(self.now)

    def holder(self, job: Expected) -> UUID | None:
        """The worker that the job's row names."""
        return job.worker_id if job.state == State.RUNNING else None

    def beat(self, hand: Hand) -> None:
        hand.seen_at = self.now
        workers.beat(hand.id, now=self.now)

    # What must hold.

    @invariant()
    def the_books_balance(self) -> None:
        self.the_database_is_as_the_model_says()
        self.attempts_are_numbered_without_a_gap()
        self.checkpoints_stay_until_they_are_set_aside()
        self.effects_of_atomic_steps_happen_once()
        self.the_audit_only_grows()

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

    def the_database_is_as_the_model_says(self) -> None:
        for job in self.jobs.values():
            job.note_end(self.now)
        found = {
            key(job_id): tuple(
                bool(value) if name in MARKS else value
                for name, value in zip(COLUMNS, row, strict=True)
            )
            for job_id, *row in read(JOBS)
        }
        assert found == {key(job.id): job.row for job in self.jobs.values()}

    def attempts_are_numbered_without_a_gap(self) -> None:
        found: dict[str, list[str]] = {key(job_id): [] for job_id in self.jobs}
        for job_id, number, outcome in read(ATTEMPTS):
            found[key(job_id)].append(outcome)
            assert number == len(found[key(job_id)]), "a gap or a double"
        assert found == {key(job.id): job.outcomes for job in self.jobs.values()}
        for job in self.jobs.values():
            assert len(job.outcomes) == job.attempt - (job.state == State.RUNNING)

    def checkpoints_stay_until_they_are_set_aside(self) -> None:
        found: dict[str, dict[str, Any]] = {key(job_id): {} for job_id in self.jobs}
        aside = dict.fromkeys(found, 0)
        for job_id, name, superseded, *row in read(STEPS):
            if superseded:
                aside[key(job_id)] += 1
            else:
                found[key(job_id)][name] = stored(*row)
        assert found == {
            key(job.id): {name: (s.position, s.state, s.value) for name, s in job.steps.items()}
            for job in self.jobs.values()
        }
        assert aside == {key(job.id): job.set_aside for job in self.jobs.values()}

    def effects_of_atomic_steps_happen_once(self) -> None:
        assert read(EFFECTS) == [(self.effects,)]

    def the_audit_only_grows(self) -> None:
        found = read(ACTIONS)
        assert found[: len(self.actions)] == self.actions
        self.actions = found

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


class _RolledBack(Exception):
    """Makes a transaction go back."""


ROLLED_BACK = (_RolledBack, _RolledBack(), None)


# Read by hand: the ORM takes longer to build these, after each event, than the event.
JOBS = f"SELECT id, {', '.join(COLUMNS)} FROM jobman_job"  # noqa: S608 - names of columns
ATTEMPTS = "SELECT job_id, number, outcome FROM jobman_attempt ORDER BY job_id, number"
STEPS = "SELECT job_id, name, superseded, position, state, result, skipped, done FROM jobman_step"
EFFECTS = "SELECT COUNT(*) FROM auth_group"
ACTIONS = "SELECT * FROM jobman_jobaction ORDER BY id"


def read(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


def key(job_id: object) -> str:
    """Return an id as all databases can be made to give it."""
    return str(job_id).replace("-", "")


def stored(
    position: int, state: str, result: str | None, skipped: str, done: int | None
) -> tuple[int, str, Any]:
    """Return what the model knows of a step's row."""
    if done is None:
        return position, state, None if result is None else json.loads(result)
    return position, state, ([entry["item"] for entry in json.loads(skipped)], done)


def snapshot() -> list[Any]:
    """Return all that the package has written."""
    tables = (Job, Attempt, Step, JobAction)
    return [sorted(read(f"SELECT * FROM {table._meta.db_table}"), key=repr) for table in tables]  # noqa: S608 - names come from the model
