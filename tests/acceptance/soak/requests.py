"""The requests of a soak: jobs of every kind, and what people do to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random

SUCCEEDS: Final = frozenset({"succeeded"})
FAILS: Final = frozenset({"failed"})
IS_CANCELLED: Final = frozenset({"cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a task, or of a chain of tasks, and what follows it."""

    #: Seconds after the beginning of the soak.
    at: float
    kind: str
    tag: str
    task: str = ""
    words: tuple[Any, ...] = ()
    #: The states that it may end in.
    ends: frozenset[str] = SUCCEEDS
    #: Seconds that it is to wait in the database.
    countdown: float = 0
    #: Seconds after which somebody cancels it.
    cancelled_after: float | None = None
    #: It fails until somebody mends what is wrong, and retries it.
    mended: bool = False
    #: The links, if it is a chain; each as a request of its own.
    links: tuple[Request, ...] = ()

    @property
    def jobs(self) -> tuple[Request, ...]:
        """The jobs that come of it: itself, or the links."""
        return self.links or (self,)


#: Draws a request of one kind, with this tag, at this time.
Make = Callable[[str, float, str, "random.Random"], Request]


def drawn(number: int, at: float, chance: random.Random) -> Request:
    """Draw a request that is made ``at`` so many seconds."""
    kind = chance.choices(list(KINDS), weights=[weight for weight, _ in KINDS.values()])[0]
    tag = f"{kind.replace(' ', '-')}-{number}"
    return KINDS[kind][1](kind, at, tag, chance)


def _errand(kind: str, at: float, tag: str, chance: random.Random, **more: Any) -> Request:
    words = (chance.randint(1, 6), round(chance.uniform(0.05, 1.0), 3))
    return Request(at=at, kind=kind, tag=tag, task="errand", words=words, **more)


def _travel(kind: str, at: float, tag: str, chance: random.Random, **more: Any) -> Request:
    words = (chance.randint(2, 16), round(chance.uniform(0.5, 8.0), 3))
    return Request(at=at, kind=kind, tag=tag, task="travel", words=words, **more)


def _flaky(kind: str, at: float, tag: str, chance: random.Random) -> Request:
    return Request(at=at, kind=kind, tag=tag, task="flaky", words=(chance.randint(1, 3),))


def _doomed(kind: str, at: float, tag: str, _chance: random.Random) -> Request:
    return Request(at=at, kind=kind, tag=tag, task="doomed", ends=FAILS)


def _stubborn(kind: str, at: float, tag: str, _chance: random.Random) -> Request:
    return Request(at=at, kind=kind, tag=tag, task="stubborn", mended=True)


def _delayed(kind: str, at: float, tag: str, chance: random.Random) -> Request:
    make = chance.choice((_errand, _travel))
    return make(kind, at, tag, chance, countdown=round(chance.uniform(1, 10), 3))


def _cancelled_waiting(kind: str, at: float, tag: str, chance: random.Random) -> Request:
    after = round(chance.uniform(0.5, 5), 3)
    return _errand(kind, at, tag, chance, countdown=600, cancelled_after=after, ends=IS_CANCELLED)


def _cancelled_early(kind: str, at: float, tag: str, chance: random.Random) -> Request:
    after = round(chance.uniform(0, 0.2), 3)
    return _travel(kind, at, tag, chance, cancelled_after=after, ends=IS_CANCELLED | SUCCEEDS)


def _cancelled_running(kind: str, at: float, tag: str, chance: random.Random) -> Request:
    after = round(chance.uniform(1, 8), 3)
    return Request(
        at=at, kind=kind, tag=tag, task="march", cancelled_after=after, ends=IS_CANCELLED
    )


def _chain(kind: str, at: float, tag: str, chance: random.Random) -> Request:
    length = chance.randint(2, 5)
    broken = chance.randrange(length) if chance.random() < 0.3 else None
    makers: list[Make] = [chance.choice((_errand, _travel, _flaky)) for _ in range(length)]
    if broken is not None:
        makers[broken] = _doomed
    links = [make(kind, at, f"{tag}-{n}", chance) for n, make in enumerate(makers, 1)]
    return Request(at=at, kind=kind, tag=tag, links=tuple(links))


#: How often each is drawn, and by what.
KINDS: Final[dict[str, tuple[int, Make]]] = {
    "errand": (20, _errand),
    "travel": (30, _travel),
    "flaky": (8, _flaky),
    "doomed": (5, _doomed),
    "mended and retried": (6, _stubborn),
    "delayed": (10, _delayed),
    "cancelled waiting": (4, _cancelled_waiting),
    "cancelled early": (4, _cancelled_early),
    "cancelled running": (5, _cancelled_running),
    "chain": (8, _chain),
}
