"""Measure jobman side by side with what it is compared to, and print one table.

``python -m tests.benchmarks`` takes about nine minutes and needs ``redis-server`` on the path.
It asserts nothing: figures depend on the machine, which is printed with them.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.testing.localnodes import ServerUnavailable
from tests.benchmarks import (
    cancel,
    checkpoint,
    consume,
    delay,
    fan_out,
    log_lines,
    machine,
    progress,
    report,
    tally,
)
from tests.benchmarks.databases import DatabaseMissing
from tests.benchmarks.ticker import Ticker
from tests.benchmarks.world import BenchmarkBroken, world

if TYPE_CHECKING:
    from tests.benchmarks.measurement import Measurement

BENCHMARKS: Final[dict[str, Any]] = {
    "consume": consume,
    "delay": delay,
    "checkpoint": checkpoint,
    "log_lines": log_lines,
    "progress": progress,
    "fan_out": fan_out,
    "tally": tally,
    "cancel": cancel,
}


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are taken down in any case
    try:
        with world(options.database, rounds=options.rounds, scale=options.scale) as made:
            facts = machine.facts(made.database, made.broker)
            measurements = _measure(made, options.only or list(BENCHMARKS))
    except (BenchmarkBroken, DatabaseMissing, ServerUnavailable) as error:
        sys.stderr.write(f"\nbenchmarks: {error}\n")
        return 2
    sys.stdout.write(report.table(facts, measurements) + "\n")
    if options.json:
        options.json.write_text(report.as_json(facts, measurements) + "\n")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("only", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    add("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    add("--database", default="auto", help="auto, sqlite, postgresql or a URL")
    add("--rounds", type=int, default=5, help="rounds of each benchmark (default: %(default)s)")
    add("--scale", type=float, default=1.0, help="factor on the jobs of a round")
    return parser.parse_args(arguments)


def _measure(made: Any, names: list[str]) -> list[Measurement]:
    ticker = Ticker(total=sum(BENCHMARKS[name].ticks(made) for name in names))
    measurements = [found for name in names for found in BENCHMARKS[name].run(made, ticker)]
    ticker.finish()
    return measurements


if __name__ == "__main__":
    sys.exit(main())
