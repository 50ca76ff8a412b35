"""Run Celery's own integration tests without and with ``JobTask``, and compare.

``python -m tests.conformance`` succeeds when every test that passes with plain Celery also
passes when each task is a job.  Without arguments it runs five files twice, which takes about
twelve minutes; ``--canvas`` adds fifteen for each side.  Needs ``redis-server`` on the path.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from subprocess import CalledProcessError
from typing import Final

from celery_jobman.testing.localnodes import ServerUnavailable
from tests.benchmarks.databases import DatabaseMissing
from tests.conformance import source
from tests.conformance.comparison import Comparison, compare, table
from tests.conformance.confirmation import confirm
from tests.conformance.outcomes import Result, read
from tests.conformance.suite import Suite, SuiteBroken

FILES: Final = (
    "test_tasks.py",
    "test_inspect.py",
    "test_group_chains.py",
    "test_redis_backend.py",
    "test_worker.py",
)
CANVAS: Final = "test_canvas.py"
JOB_TASK: Final = "celery_jobman:JobTask"
VANILLA: Final = "vanilla"


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are taken down in any case
    try:
        comparison = _run(options)
    except (CalledProcessError, DatabaseMissing, ServerUnavailable, SuiteBroken) as error:
        sys.stderr.write(f"conformance: {error}\n")
        return 2
    sys.stdout.write(f"{table(comparison)}\n")
    return 1 if comparison.defects else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    add = parser.add_argument
    add("tests", nargs="*", metavar="TEST", help="files or test ids below t/integration")
    add("-k", dest="keyword", default="", help="as in pytest")
    add("--canvas", action="store_true", help=f"add {CANVAS}")
    add(
        "--vanilla-from",
        type=Path,
        action="append",
        metavar="FILE",
        help="reuse this result of plain Celery; may be given again",
    )
    add(
        "--base", default=JOB_TASK, help="the other base class, or 'vanilla' (default: %(default)s)"
    )
    add("--database", default="auto", help="auto, sqlite, postgresql or a URL")
    add("--results", type=Path, default=source.cache_folder(), help="folder for the JUnit files")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> Comparison:
    tests = tuple(options.tests or FILES) + ((CANVAS,) if options.canvas else ())
    suite = Suite(tests=tests, keyword=options.keyword, database=options.database)
    base = None if options.base == VANILLA else options.base
    subject = _result(options.results, "subject")
    vanilla = _vanilla(options, suite)
    suite.run(base, subject)
    partial = bool(options.keyword) or any("::" in test for test in tests)
    comparison = compare(vanilla, read(subject), tests=tests, partial=partial)
    return confirm(comparison, suite, base, options.results)


def _vanilla(options: argparse.Namespace, suite: Suite) -> dict[str, Result]:
    files = options.vanilla_from or [_result(options.results, VANILLA)]
    if options.vanilla_from is None:
        suite.run(None, files[0])
    return {test: result for file in files for test, result in read(file).items()}


def _result(folder: Path, side: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{side}-{source.celery_version()}.xml"


if __name__ == "__main__":
    sys.exit(main())
