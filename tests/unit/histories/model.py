"""The model: what a job must look like after what happened to it, in a page of plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery_jobman.conf import settings
from celery_jobman.models import Outcome, StepState
from celery_jobman.models.attempt import FAILURES
from celery_jobman.states import FINAL, TRANSITIONS, WAITING, State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.core.endings import Run
    from celery_jobman.core.steps import StepRunner

#: How long the schedule holds a job whose message was refused.
REFUSED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the broker has it, and the epoch of its job that it was sent in."""

    job: Expected
    queue: str
    delivery: int
    number: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A step's row."""

    position: int
    state: StepState
    #: What it returned; of an iteration, the items that were skipped.
    value: Any = None

    @property
    def done(self) -> bool:
        return self.state == StepState.SUCCEEDED

    @property
    def goes_on(self) -> bool:
        """Whether it does not begin anew."""
        return self.done or (isinstance(self.value, tuple) and self.value[1] > 0)


@dataclass(eq=False, slots=True)
class Expected:
    """What is known of one job."""

    id: UUID
    state: State
    queue: str = "celery"
    priority: int | None = None
    max_attempts: int | None = None
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    releases: int = 0
    available_at: datetime | None = None
    expires_at: datetime | None = None
    queued_at: datetime | None = None
    finished_at: datetime | None = None
    #: The worker of the attempt that was begun last.
    worker_id: UUID | None = None
    asked_to_stop: bool = False
    by_force: bool = False
    #: Messages of earlier epochs are stale.
    epoch: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    #: Live steps by name.
    steps: dict[str, Saved] = field(default_factory=dict)
    set_aside: int = 0
    replaced: bool = False
    #: Effects of atomic steps in the project's database.
    effects: int = 0
    #: When it is tried again to take it back, and how often that was refused.
    again_at: datetime | None = None
    refusals: int = 0

    def move(self, to: State) -> None:
        assert to in TRANSITIONS[self.state], f"{self.state} does not lead to {to}"
        self.state = to

    def note_end(self, now: datetime) -> None:
        """Remember when it ended, if it did just now."""
        self.finished_at = (self.finished_at or now) if self.state in FINAL else None

    @property
    def row(self) -> tuple[Any, ...]:
        """The columns that the model foretells; see :data:`COLUMNS`."""
        return (
            self.state,
            self.queue,
            self.priority,
            self.attempt,
            self.failures,
            self.crashes,
            self.releases,
            self.asked_to_stop,
            self.by_force,
            self.replaced,
            self.state in FINAL,
            self.state == State.RUNNING,
        )

    # What may happen to it.

    def takes(self, message: Message) -> bool:
        """Whether a message may begin its next attempt."""
        waiting = self.state in {State.QUEUED, State.SCHEDULED}
        return waiting and message.epoch == self.epoch and message.number == self.attempt + 1

    def begin(self, worker_id: UUID) -> None:
        self.move(State.RUNNING)
        self.worker_id = worker_id
        self.attempt += 1

    def sent(self, now: datetime) -> None:
        """It was dispatched, and the broker took its message."""
        self.move(State.QUEUED)
        self.queued_at = now

    def hold(self, at: datetime) -> None:
        """It goes, or stays, on the schedule."""
        if self.state != State.SCHEDULED:
            self.move(State.SCHEDULED)
        self.available_at = at

    def put_off(self, at: datetime) -> None:
        """A person gave it another time or priority: its message is stale."""
        self.hold(at)
        self.epoch += 1

    def cancel(self, *, force: bool) -> None:
        if self.state in WAITING:
            self.move(State.CANCELLED)
        else:
            self.by_force = self.by_force or force
        self.asked_to_stop = True

    def end(self, outcome: Outcome, to: State, at: datetime | None = None) -> None:
        """Its running attempt ends."""
        if to not in FINAL and self.asked_to_stop:
            outcome, to = Outcome.CANCELLED, State.CANCELLED
        self.move(to)
        self.outcomes.append(outcome)
        self.failures += outcome in FAILURES
        self.crashes += outcome == Outcome.LOST
        self.releases += outcome == Outcome.RELEASED
        self.available_at = at if to == State.SCHEDULED else self.available_at

    def lose(self, now: datetime) -> None:
        """Its worker, or its process, is dead."""
        self.again_at, self.refusals = None, 0
        poisoned = self.crashes + 1 >= settings().poison_limit
        spent = self.max_attempts is not None and self.failures + 1 >= self.max_attempts
        if self.asked_to_stop:
            self.end(Outcome.CANCELLED, State.CANCELLED)
        elif poisoned or spent:
            self.end(Outcome.LOST, State.FAILED)
        else:
            self.end(Outcome.LOST, State.SCHEDULED, now)

    def time_out(self, at: datetime, *, final: bool) -> None:
        spent = self.max_attempts is None or self.failures + 1 >= self.max_attempts
        if self.asked_to_stop:
            self.end(Outcome.CANCELLED, State.CANCELLED)
        elif final or spent:
            self.end(Outcome.TIMED_OUT, State.FAILED)
        else:
            self.end(Outcome.TIMED_OUT, State.SCHEDULED, at)

    def is_set_aside(self, now: datetime) -> bool:
        """Whether nobody tries to take it back, because that failed a moment ago."""
        return self.again_at is not None and self.again_at > now

    def set_aside_until(self, now: datetime) -> None:
        """It could not be taken back: the next pause is twice as long."""
        self.again_at = now + min(REFUSED * 2**self.refusals, timedelta(hours=1))
        self.refusals += 1

    def stop(self) -> None:
        """It is cancelled by force."""
        self.end(Outcome.CANCELLED, State.CANCELLED)

    def fork(self, copy_id: UUID, now: datetime, step: str | None) -> Expected:
        """Return a new job that keeps what was done before ``step``."""
        before = self.steps[step].position if step else 0
        kept = {n: s for n, s in self.steps.items() if s.done and s.position < before}
        return Expected(
            copy_id,
            State.SCHEDULED,
            queue=self.queue,
            priority=self.priority,
            max_attempts=self.max_attempts,
            available_at=now,
            steps=kept,
        )

    def ended_before(self, moment: datetime) -> bool:
        return self.finished_at is not None and self.finished_at < moment

    def may_reopen(self, attempt: int, *, confirmed: bool) -> bool:
        allowed = FINAL if confirmed else FINAL - {State.SUCCEEDED}
        return self.state in allowed and attempt == self.attempt

    def reopen(self, at: datetime) -> None:
        """A person retried it."""
        self.put_off(at)
        self.failures = self.crashes = 0
        self.asked_to_stop = self.by_force = self.replaced = False
        self.again_at, self.refusals = None, 0
        self.expires_at = None

    def rewind(self, step: str) -> None:
        here = self.steps[step].position
        for name in [name for name, saved in self.steps.items() if saved.position >= here]:
            del self.steps[name]
            self.set_aside += 1

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


#: The columns of :attr:`Expected.row`.
COLUMNS = (
    "state",
    "queue",
    "priority",
    "attempt",
    "failures",
    "crashes",
    "releases",
    "cancel_requested_at",
    "cancel_forced",
    "replaced_by",
    "finished_at",
    "worker_id",
)
#: Those of which only is asked whether they are set.
MARKS = frozenset(
    {"cancel_requested_at", "cancel_forced", "replaced_by", "finished_at", "worker_id"}
)


@dataclass(eq=False, slots=True)
class Hand:
    """A worker, and what its processes believe to be running."""

    id: UUID
    seen_at: datetime
    #: By how much its own clock is wrong; signs of life go by the database's.
    off: timedelta = timedelta(0)
    frozen: bool = False
    gone: bool = False
    said_goodbye: bool = False

    def is_dead(self, silent_since: datetime) -> bool:
        """Whether the others must take it for dead."""
        return self.said_goodbye or self.seen_at < silent_since


@dataclass(eq=False, slots=True)
class Body:
    """One execution, in the eyes of the process that runs it."""

    job: Expected
    hand: Hand
    run: Run
    steps: StepRunner
    #: Steps that it has entered, in order, and the last place that it has passed.
    used: list[str] = field(default_factory=list)
    passed: int = -1

    def place(self, name: str) -> int:
        """Enter a step, and return its place: that of before, or behind all that was passed."""
        saved = self.job.steps.get(name)
        place = saved.position if saved else 0
        if saved is None or not saved.goes_on:
            place = max(place, self.passed + 1)
        self.passed = max(self.passed, place)
        return place

    @property
    def holds(self) -> bool:
        """Whether the job is still its own."""
        return self.job.state == State.RUNNING and self.job.attempt == self.run.number
