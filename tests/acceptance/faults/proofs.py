"""What the matrix proves, counted from its table for the page about the promises.

A *trial* is one cell on one ground: one job, held at one moment, on one broker, database and
pool.  The words of ``docs/explanation/promises.md`` are written by hand; what stands between its
marks is written by ``python -m tests.acceptance.faults.page``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.acceptance.faults import moments
from tests.acceptance.faults.cells import Cell
from tests.acceptance.faults.table import FAULTS, Fault, Ground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PAGE: Final = Path(__file__).parents[3] / "docs" / "explanation" / "promises.md"

#: What a ground is made of.
KINDS: Final = ("broker", "database", "pool")

_MARKED: Final = re.compile(
    r"(?<=<!-- generated: )(?P<name>[^\n]+?) -->\n.*?\n(?=<!-- end -->)", re.DOTALL
)
_SPELT: Final = {
    "redis": "Redis",
    "rabbitmq": "RabbitMQ",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB",
    "mysql": "MySQL",
    "sqlite": "SQLite",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One cell on one ground."""

    fault: Fault
    ground: Ground
    moment: str
    cell: Cell

    @property
    def goes_on(self) -> bool:
        """Whether another attempt takes the job over."""
        return any(len(way) > 1 for way in (self.cell.outcomes, self.cell.either))

    @property
    def costs_an_attempt(self) -> bool:
        """Whether the attempt fails that would have succeeded."""
        failed = [way for way in (self.cell.outcomes, self.cell.either) if way[:1] == ("failed",)]
        return bool(failed) and self.moment != moments.RETRY


TRIALS: Final = tuple(
    Trial(fault=fault, ground=ground, moment=moment, cell=cell)
    for fault in FAULTS
    for ground in fault.grounds
    for moment in fault.tried(ground)
    if isinstance(cell := fault.cells[moment], Cell)
)

#: Faults that bring a job's message, or its worker, a second time.
DOUBLES: Final = frozenset(
    {
        "frozen worker",
        "broker wiped",
        "broker connections cut",
        "duplicate delivery",
        "stale message",
        "visibility time-out too short",
        "clock skew",
    }
)
#: Faults that take the database away from a task that could do without it.
OUTAGES: Final = frozenset(
    {"database restarted", "database connections cut", "deadlock", "disk full"}
)
#: Moments at which a checkpoint is there that the next attempt must find.
SAVED: Final = (
    moments.AFTER,
    *moments.ATOMIC,
    "inside an iteration",
    "after a cursor was saved",
    moments.FINISHING,
)
#: Moments at which an end, or the wish for one, is there that nothing may undo.
DECIDED: Final = (moments.FINISHED, moments.CANCEL, moments.RETRY)

#: The promises that the matrix puts to the test, and the trials that do.
PROMISES: Final[dict[str, Callable[[Trial], bool]]] = {
    "1. Nothing accepted is lost": lambda _: True,
    "2. One worker at a time": lambda trial: (
        trial.fault.name in DOUBLES or "lost" in (*trial.cell.outcomes, *trial.cell.either)
    ),
    "3. History does not lie": lambda trial: trial.fault.name in DOUBLES or trial.moment in DECIDED,
    "4. A checkpoint that was reported is there after a kill -9": lambda trial: (
        trial.goes_on and trial.moment in SAVED
    ),
    "5. jobman does not fail a task that would have succeeded": lambda trial: (
        trial.fault.name in OUTAGES
    ),
}


def of(promise: str) -> list[Trial]:
    """Return the trials that put a promise to the test."""
    return [trial for trial in TRIALS if PROMISES[promise](trial)]


def text(page: str) -> str:
    """Return the page with everything between its marks written anew.

    Raises:
        KeyError: A mark names nothing that could be written there.
    """
    return _MARKED.sub(_filled, page)


def _filled(mark: re.Match[str]) -> str:
    return "\n".join([f"{mark['name']} -->", "", *blocks()[mark["name"]], "", ""])


def blocks() -> dict[str, list[str]]:
    """Return the lines of all that is counted, by the names in the marks."""
    proofs = {f"proof of {promise[:1]}": [*_proof(of(promise))] for promise in PROMISES}
    return proofs | {
        "the matrix in numbers": [*_numbers()],
        "what the database costs": [*_costs()],
        "promises by place": [*_by_promise()],
        "places together": [*_together()],
        "faults by place": [*_by_fault()],
    }


def _numbers() -> Iterator[str]:
    applying = {(trial.fault.name, trial.moment) for trial in TRIALS}
    scenes = {(trial.fault.name, trial.ground) for trial in TRIALS}
    yield (
        f"{len(FAULTS)} faults at {len(moments.MOMENTS)} moments of a job's life; in "
        f"{len(applying)} cells the fault has a meaning. They are tried {len(TRIALS)} times, in "
        f"{len(scenes)} scenes with real processes."
    )


def _proof(trials: list[Trial]) -> Iterator[str]:
    yield from _row("in the fault matrix", f"tried {len(trials)} times")
    yield from _row("---", "---")
    yield from _row("faults", _counted(f"*{trial.fault.name}*" for trial in trials))
    for kind in KINDS:
        yield from _row(f"{kind}s", _counted(_spelt(trial.ground, kind) for trial in trials))


def _costs() -> Iterator[str]:
    yield from _row("fault", "moments at which it costs an attempt", "at the others")
    yield from _row("---", "---", "---")
    trials = of("5. jobman does not fail a task that would have succeeded")
    for name in dict.fromkeys(trial.fault.name for trial in trials):
        mine = {trial.moment: trial for trial in trials if trial.fault.name == name}
        costly = [moment for moment, trial in mine.items() if trial.costs_an_attempt]
        yield from _row(
            name, "; ".join(costly) or "none", f"{len(mine) - len(costly)} of {len(mine)}"
        )


def _by_promise() -> Iterator[str]:
    yield from _head("promise")
    for promise in PROMISES:
        yield from _counts(promise, of(promise))


def _by_fault() -> Iterator[str]:
    yield from _head("fault")
    for fault in FAULTS:
        yield from _counts(fault.name, [trial for trial in TRIALS if trial.fault is fault])


def _head(what: str) -> Iterator[str]:
    yield from _row(what, *(name for _, name in _places()))
    yield from _row("---", *("---" for _ in _places()))


def _counts(what: str, trials: list[Trial]) -> Iterator[str]:
    tried = Counter((kind, _spelt(trial.ground, kind)) for trial in trials for kind in KINDS)
    yield from _row(what, *(str(tried[place]) for place in _places()))


def _places() -> list[tuple[str, str]]:
    return list(
        dict.fromkeys((kind, _spelt(trial.ground, kind)) for kind in KINDS for trial in TRIALS)
    )


def _together() -> Iterator[str]:
    yield from _row(*KINDS, "faults", "tried")
    yield from _row(*("---" for _ in (*KINDS, "faults", "tried")))
    tried = Counter(_place(trial) for trial in TRIALS)
    for place, times in tried.most_common():
        faults = {trial.fault.name for trial in TRIALS if _place(trial) == place}
        yield from _row(*place, str(len(faults)), str(times))


def _place(trial: Trial) -> tuple[str, ...]:
    return tuple(_spelt(trial.ground, kind) for kind in KINDS)


def _spelt(ground: Ground, kind: str) -> str:
    name: str = getattr(ground, kind)
    return _SPELT.get(name, name)


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).items())


def _row(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
