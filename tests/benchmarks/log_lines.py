"""What a log line costs the job's thread, against a file; and how fast lines are flushed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmarks.inner import ask
from tests.benchmarks.measurement import Measurement, Ratio
from tests.benchmarks.world import BenchmarkBroken

if TYPE_CHECKING:
    from tests.benchmarks.ticker import Ticker
    from tests.benchmarks.world import World

LINES: Final = 1000
FLUSHED: Final = 20_000
BOTH: Final = "file and job log"
FILE: Final = "file only"
RATIOS: Final = (Ratio(subject=BOTH, against=FILE, goal="<= 15", difference=True),)


def ticks(world: World) -> int:  # noqa: ARG001
    return 2


def run(world: World, ticker: Ticker) -> list[Measurement]:
    return [_cost(world, ticker), _flush(world, ticker)]


def _cost(world: World, ticker: Ticker) -> Measurement:
    ticker.tick("log lines")
    lines = world.count(LINES)
    answer = ask(world, "log_lines", world.rounds, lines)
    _check_books(world, world.rounds * lines)
    names = {FILE: "file", BOTH: "file and job"}
    values = {title: [1e6 * each for each in answer[key]] for title, key in names.items()}
    return Measurement(title="one log line", unit="µs", values=values, ratios=RATIOS)


def _flush(world: World, ticker: Ticker) -> Measurement:
    ticker.tick("flush of log lines")
    answer = ask(world, "flush", world.rounds, world.count(FLUSHED))
    values = {
        "written in batches (goal: >= 50,000)": answer["written"],
        "from the logger to the database": answer["stored"],
    }
    return Measurement(title="log lines of one process", unit="lines/s", values=values)


def _check_books(world: World, expected: int) -> None:
    (kept,) = ask(world, "lines_kept")["kept"]
    if kept != expected:
        raise BenchmarkBroken(f"{kept} of {expected} log lines reached the database")
