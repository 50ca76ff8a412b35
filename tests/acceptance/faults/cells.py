"""The cells of the matrix: what must become of a job, or why a fault has no meaning there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeGuard

from tests.acceptance.faults.moments import (
    ATOMIC,
    BODY,
    BROKER,
    CANCEL,
    CLAIMED,
    FINISHED,
    FINISHING,
    HELD,
    INSERT,
    LINK,
    MOMENTS,
    PREFETCHED,
    PUBLISH,
    RETRY,
    STEP,
    WEB,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What must have become of one job."""

    #: How its attempts ended, in order.  None at all: the job was never accepted.
    outcomes: tuple[str, ...]
    #: How they may have ended as well, where two things race that nobody can hold.
    either: tuple[str, ...] = ()
    #: Effects that are there once for each of two attempts.
    repeats: frozenset[str] = frozenset()
    #: Effects that may be, but need not.
    may_repeat: frozenset[str] = frozenset()
    #: The state in which it ended while it waited for an attempt; none: its last attempt's.
    ends: str = ""
    #: A message of it came, and was dropped.
    drops: bool = False
    #: It was put off, and began no sooner.
    waits: bool = False

    @property
    def accepted(self) -> bool:
        return bool(self.outcomes or self.ends)

    def __str__(self) -> str:
        ways = [", ".join(way) for way in (self.outcomes, self.either) if way]
        if self.ends:
            ways = [", ".join([*self.outcomes, f"*{self.ends}*"])]
        return " *or* ".join(ways) or "refused"


#: A cell that does not apply is the sentence that says why.
Cells = dict[str, Cell | str]


def cells(*layers: Mapping[str, Cell | str]) -> Cells:
    """Lay the later over the earlier; nothing may be left empty."""
    found: Cells = {}
    for layer in layers:
        found |= layer
    assert set(found) == set(MOMENTS), set(MOMENTS) ^ set(found)
    return found


def at(names: tuple[str, ...], cell: Cell | str) -> Cells:
    return dict.fromkeys(names, cell)


NO_WORKER: Final = "No worker has a part in it yet."
NO_WEB: Final = "The web process has no part in it any more."
NO_MESSAGE: Final = "There is no message yet that could come twice."
NOT_SEEN: Final = "Nobody but its own transaction can see the job yet."
ONLY_ASKED: Final = "It runs, and is asked to stop: see *during a cancel*."
NO_OLDER: Final = "No older message has a part in it: see *duplicate delivery*."
NO_PROCESS: Final = "No pool process has begun it; it is not hit."
OWN_TRANSACTION: Final = "The project's own transaction fails, with any package or without."

ONCE: Final = Cell(outcomes=("succeeded",))
AGAIN: Final = Cell(outcomes=("failed", "succeeded"))
#: The next write is the task's own, and may come before the trouble or after it.
PERHAPS_AGAIN: Final = Cell(outcomes=("succeeded",), either=("failed", "succeeded"))
REFUSED: Final = Cell(outcomes=())
CANCELLED: Final = at((CANCEL,), Cell(outcomes=("cancelled",)))
RETRIED: Final = at((RETRY,), Cell(outcomes=("failed", "succeeded")))

#: Whatever happens, the worker goes on with what it has.
UNDISTURBED: Final = cells(at(tuple(MOMENTS), ONCE), CANCELLED, RETRIED)
UNBORN: Final = at(WEB, NO_WORKER)


def ending_as(outcome: str, repeats: frozenset[str] = frozenset(), either: str = "") -> Cells:
    """Every attempt in its body ends as ``outcome``, and another one goes on."""
    other = (either, "succeeded") if either else ()
    begun = Cell(outcomes=(outcome, "succeeded"), either=other)
    return at(BODY, begun) | at(STEP, replace(begun, repeats=repeats))


#: What the task does outside of its atomic step.
TWICE: Final = frozenset({"pack", "close", *(f"stop {stop}" for stop in "abcdef")})
PACK: Final = frozenset({"pack"})
KILLED: Final = cells(
    UNDISTURBED,
    UNBORN,
    ending_as("lost", PACK),
    at((FINISHING,), Cell(outcomes=("lost", "succeeded"))),
)
TERMINATED: Final = cells(
    KILLED, ending_as("interrupted", PACK, either="lost"), at((CLAIMED,), KILLED[CLAIMED])
)
#: It may do again what its successor did; the open transaction alone keeps its job from others,
#: until it is committed: a worker that is silent still may lose the job then, and go on.
FROZEN: Final = cells(
    KILLED,
    at(tuple(BODY), Cell(outcomes=("lost", "succeeded"), may_repeat=TWICE)),
    at(
        ATOMIC[1:],
        Cell(outcomes=("succeeded",), either=("lost", "succeeded"), may_repeat=TWICE - {"pack"}),
    ),
)
STOPPED: Final = cells(UNDISTURBED, UNBORN, ending_as("interrupted"))

#: Moments at which no attempt has begun and a message is, or will be, on its way.
WAITING: Final = (PUBLISH, *BROKER)


def dropping(layer: Cells, names: tuple[str, ...]) -> Cells:
    """Demand in the cells of these moments that a message came and was dropped."""
    found = {name: layer[name] for name in names}
    return {name: replace(cell, drops=True) for name, cell in found.items() if is_tried(cell)}


def is_tried(cell: Cell | str) -> TypeGuard[Cell]:
    """Whether a cell applies."""
    return isinstance(cell, Cell)


DUPLICATED: Final = cells(UNDISTURBED, dropping(UNDISTURBED, (*BROKER, *HELD)), at(WEB, NO_MESSAGE))
FORGOTTEN: Final = cells(UNDISTURBED, UNBORN, dropping(UNDISTURBED, (PREFETCHED, *HELD)))
STALE: Final = cells(
    at(tuple(MOMENTS), NO_OLDER),
    at((INSERT,), NOT_SEEN),
    dropping(UNDISTURBED, (*WAITING, RETRY)),
    at((PREFETCHED,), Cell(outcomes=("succeeded",), drops=True, waits=True)),
)
CALLED_OFF: Final = cells(
    UNDISTURBED,
    at((INSERT,), NOT_SEEN),
    at(BODY, ONLY_ASKED),
    at(WAITING, Cell(outcomes=(), ends="cancelled", drops=True)),
    at((RETRY,), Cell(outcomes=("failed",), ends="cancelled", drops=True)),
    at((FINISHING, FINISHED, LINK), ONCE),
)

NOT_BEGUN: Final = "No process has begun it that could write anything."
WRITTEN: Final = "Its process writes nothing more."
ONE_WRITER: Final = (
    "SQLite has one writer: a job that is held inside its transaction would hold up the rest."
)
