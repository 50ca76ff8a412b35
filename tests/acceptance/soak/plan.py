"""The plan of a soak: which jobs are enqueued when, and which blows fall when.

It is drawn from the seed alone, before anything is started, and nothing that happens changes
it; so a seed plays the same plan again, though the machine may be quicker or slower.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.soak.requests import Request, drawn
from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The workers' settings, and the times that follow from them, in seconds."""

    settings: Mapping[str, Any]
    #: A worker silent for so long is taken for dead, and is looked for so often.
    lost_after: float
    rescue_every: float
    #: A message is taken for lost after this.
    redeliver_after: float
    #: Whether what is promised of detection must be kept; short times promise nothing.
    is_promised: bool = False

    @property
    def noticed_within(self) -> float:
        """What is promised: from the death of a worker until its attempts are ended."""
        return self.lost_after + self.rescue_every

    @property
    def elsewhere_within(self) -> float:
        """What is promised: from the death of a worker until its jobs run again."""
        return self.noticed_within * 1.5


#: The product's own defaults.
DEFAULT: Final = Pace(
    settings={}, lost_after=25, rescue_every=5, redeliver_after=30, is_promised=True
)
#: For runs that are too short for them.
HURRIED: Final = Pace(
    settings=QUICK,
    lost_after=QUICK["WORKER_LOST_AFTER"],
    rescue_every=QUICK["RESCUE_EVERY"],
    redeliver_after=QUICK["REDELIVER_AFTER"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A worker's place: when it is gone, another one is started there."""

    name: str
    pool: str
    concurrency: int


#: The first one is never killed, stopped or frozen: its memory is watched.
PLACES: Final = (
    Place(name="steady", pool="prefork", concurrency=2),
    Place(name="forks", pool="prefork", concurrency=3),
    Place(name="threads", pool="threads", concurrency=4),
)
FORKS: Final = (0, 1)
MORTAL: Final = (1, 2)

POOL_KILLED: Final = "pool process killed"
WORKER_KILLED: Final = "worker killed"
TERMINATED: Final = "worker terminated"
FROZEN: Final = "worker frozen"
THAWED: Final = "worker thawed"
BROKER_RESTARTED: Final = "broker restarted"
BROKER_WIPED: Final = "broker wiped"
BROKER_CUT: Final = "broker connections cut"
DATABASE_CUT: Final = "database connections cut"
DATABASE_STOPPED: Final = "database stopped"
#: Not planned: Celery gave up, as it may when a broker goes away.
FELL: Final = "worker ended by itself"

#: Which places each may strike; none: it strikes a server.
STRUCK: Final[Mapping[str, tuple[int, ...]]] = {
    POOL_KILLED: FORKS,
    WORKER_KILLED: MORTAL,
    TERMINATED: MORTAL,
    FROZEN: MORTAL,
    BROKER_RESTARTED: (),
    BROKER_WIPED: (),
    BROKER_CUT: (),
    DATABASE_CUT: (),
    DATABASE_STOPPED: (),
}
#: Shuffled and dealt again and again, so that even a short soak sees each.
DECK: Final = (*STRUCK, POOL_KILLED, WORKER_KILLED, TERMINATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One blow, and when it falls, in seconds after the beginning."""

    at: float
    fault: str
    #: The number of the place that is struck; None: a server is.
    place: int | None = None
    #: Between 0 and 1: which of the processes there are to choose from.
    pick: float = 0
    #: How long a server stays away, or a worker frozen.
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is to happen, in order."""

    seed: int
    seconds: float
    requests: tuple[Request, ...]
    strikes: tuple[Strike, ...]

    @classmethod
    def drawn(cls, seed: int, seconds: float, pace: Pace, broker: str = "redis") -> Plan:
        """Draw a plan from a seed; the servers' kinds tell only how long they take to start."""
        jobs = random.Random(f"jobs {seed}")
        return cls(
            seed=seed,
            seconds=seconds,
            requests=tuple(
                drawn(number, at, jobs) for number, at in enumerate(_moments(seconds, jobs), 1)
            ),
            strikes=_Dealer(random.Random(f"faults {seed}"), pace, seconds, RESTART[broker]).deal(),
        )


def _moments(seconds: float, chance: random.Random) -> Iterator[float]:
    """Yield when jobs are enqueued: about two each second."""
    at = 0.0
    while at < seconds:
        yield round(at, 3)
        at += chance.expovariate(1.8)


#: The first blow falls when the workers have begun.
FIRST: Final = 5.0
#: The pause between two blows, as a part of the time after which a worker is lost (or 15 s).
PAUSE: Final = (0.15, 0.4)
#: Seconds that a broker takes to stop and to start again, more or less; and a database.
RESTART: Final = {"redis": 1.0, "rabbitmq": 12.0}
ROOM: Final = 2.0


@dataclass
class _Dealer:
    chance: random.Random
    pace: Pace
    seconds: float
    restart: float
    at: float = FIRST
    cards: list[str] = field(default_factory=list)
    thaws: list[Strike] = field(default_factory=list)
    killed: int = 0

    def deal(self) -> tuple[Strike, ...]:
        strikes = []
        while self.at < self.seconds:
            strike = self._strike(self._card())
            strikes.append(strike)
            self.at += self._until_the_next(strike)
        return tuple(sorted([*strikes, *self.thaws], key=lambda strike: strike.at))

    def _card(self) -> str:
        if not self.cards:
            self.cards = list(DECK)
            self.chance.shuffle(self.cards)
        card = self.cards.pop()
        return DATABASE_CUT if card == FROZEN and self._frozen() is not None else card

    def _frozen(self) -> int | None:
        """The place that is frozen at this time; there is one at most."""
        standing = (thaw.place for thaw in self.thaws if thaw.at > self.at)
        return next(standing, None)

    def _strike(self, fault: str) -> Strike:
        free = [number for number in STRUCK[fault] if number != self._frozen()]
        strike = Strike(
            at=round(self.at, 3),
            fault=fault,
            place=self.chance.choice(free) if free else None,
            pick=round(self.chance.random(), 6),
            seconds=self._duration(fault),
        )
        if fault == FROZEN:
            thaw = Strike(at=round(self.at + strike.seconds, 3), fault=THAWED, place=strike.place)
            self.thaws.append(thaw)
        return strike

    def _duration(self, fault: str) -> float:
        most = min(self.pace.lost_after * 0.6, 8.0)
        if fault in {DATABASE_STOPPED, BROKER_RESTARTED}:
            return round(self.chance.uniform(1.0, most), 3)
        if fault == FROZEN:
            return round(self.pace.noticed_within + self.chance.uniform(2.0, 6.0), 3)
        return 0

    def _until_the_next(self, strike: Strike) -> float:
        pause = min(self.pace.lost_after, 15) * self.chance.uniform(*PAUSE)
        if strike.fault == FROZEN:
            return pause
        if strike.fault == WORKER_KILLED:
            self.killed += 1
            if self.killed % 2:  # nothing else is to hold up what the promise is about
                return self.pace.elsewhere_within + pause
        room = {BROKER_RESTARTED: self.restart, DATABASE_STOPPED: ROOM}
        return pause + strike.seconds + room.get(strike.fault, 0)
