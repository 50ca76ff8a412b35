"""Ask Celery's canvas as an oracle: ``python -m tests.acceptance.oracle 2000 --seed 7``.

So many random workflows are run by Celery's own chain, group and chord, and by ours, on a real
worker; calls, arguments, order, ends, options and results must agree, or the documentation names
the difference.  Each disagreement is printed with its seed, and made as small as can be.  The exit
status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.acceptance.oracle.asking import AT_ONCE, IN_TURN, Oracle, Question
from tests.acceptance.oracle.faults import is_open
from tests.acceptance.oracle.stage import stage_on
from tests.acceptance.stacks import Stacks


def main(arguments: list[str]) -> int:
    """Ask, report, and return the exit status."""
    asked = _parser().parse_args(arguments)
    say(f"seeds {asked.seed} to {asked.seed + asked.workflows - 1}")
    with tempfile.TemporaryDirectory() as folder:
        stacks = Stacks(folder=Path(folder))
        try:
            with stage_on(stacks, Path(folder)) as stage:
                return _ask(Oracle(stage=stage), asked)
        finally:
            stacks.close()


def _ask(oracle: Oracle, asked: argparse.Namespace) -> int:
    seeds, sides = range(asked.seed, asked.seed + asked.workflows), asked.sides or ()
    found: list[Question] = []
    for start in range(0, len(seeds), AT_ONCE):
        new = oracle.ask(seeds[start : start + AT_ONCE], sides)
        for each in new:
            say(f"\n{each}")
        found += new
    _report(oracle, found)
    for each in found[: asked.minimise]:
        say(f"\nas small as can be: {oracle.smallest(each)}")
    return int(bool(found))


def _report(oracle: Oracle, found: list[Question]) -> None:
    say(f"\n{dict(oracle.counts)} in {oracle.seconds:.0f} s")
    for sentence, number in oracle.known.most_common():
        say(f"known, {number}: {sentence}")
    open_faults = sum(is_open(each) for each in found)
    sides = dict(Counter(each.side for each in found))
    say(f"disagreements: {len(found)} {sides}, of which {open_faults} are faults that are open")


def _parser() -> argparse.ArgumentParser:
    name = "python -m tests.acceptance.oracle"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("workflows", type=int, nargs="?", default=200, help="how many (200)")
    seed = random.SystemRandom().randrange(1_000_000)
    parser.add_argument("--seed", type=int, default=seed, help="of the first of them")
    parser.add_argument(
        "--side",
        dest="sides",
        action="append",
        choices=("ours", *IN_TURN),
        help="who plays each; may be given again (default: ours, and the others in turn)",
    )
    parser.add_argument(
        "--minimise", type=int, default=5, metavar="N", help="make so many disagreements small (5)"
    )
    return parser


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    os.environ.setdefault("JOBMAN_TEST_REQUIRE_SERVERS", "1")
    sys.exit(main(sys.argv[1:]))
