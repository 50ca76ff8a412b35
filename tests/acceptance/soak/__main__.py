"""Soak jobman: ``python -m tests.acceptance.soak --minutes 10 --seed 7``.

Jobs of every kind run on several workers while blows fall on the workers, the broker and the
database; at the end the books are checked.  All is drawn from the seed, which is printed first.
The exit status is 1 if the books do not balance.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.acceptance.soak import report
from tests.acceptance.soak.plan import DEFAULT, HURRIED, Plan
from tests.acceptance.soak.soak import Soak, play

GROUNDS: Final = ("redis-postgresql", "rabbitmq-mariadb")


def main(arguments: list[str]) -> int:
    """Soak as asked, report, and return the exit status."""
    asked = _parser().parse_args(arguments)
    pace = HURRIED if asked.quick else DEFAULT
    say(f"seed {asked.seed}")
    soak = Soak(
        plan=Plan.drawn(asked.seed, asked.minutes * 60, pace, asked.ground.split("-")[0]),
        pace=pace,
        ground=asked.ground,
        say=say,
    )
    with tempfile.TemporaryDirectory() as folder:
        play(soak, Path(folder), keep=asked.keep)
    say("")
    for line in report.lines(soak):
        say(line)
    return int(bool(soak.complaints))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long jobs are enqueued (10)")
    seed = random.SystemRandom().randrange(1_000_000)
    parser.add_argument("--seed", type=int, default=seed, help="plays the same plan again")
    parser.add_argument("--ground", choices=GROUNDS, default=GROUNDS[0], help="broker and database")
    parser.add_argument(
        "--quick", action="store_true", help="short times until a worker is taken for lost"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the workers' logs here")
    return parser


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    os.environ.setdefault("JOBMAN_TEST_REQUIRE_SERVERS", "1")
    sys.exit(main(sys.argv[1:]))
