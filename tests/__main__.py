"""Run the tests on every database found: ``python -m tests [FOLDER …] [-- PYTEST OPTIONS]``.

``unit`` and ``integration`` run once per database; the other folders choose their servers
themselves and run once.  Three parts run at a time: the databases after the first in turn;
``acceptance``, which mostly waits, for workers to start, to be missed and to be made up for
(``--beside`` names the folders that run so); and all the rest, whose progress is shown.  What the
others print comes at their ends.  A database without a server is skipped with its reason, or is a
failure where ``JOBMAN_TEST_REQUIRE_SERVERS=1``.  The exit status is 0 if something passed and
nothing failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import celery
import django
import pytest

from tests import databases, servers

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

TESTS = Path(__file__).parent
PER_DATABASE = ("unit", "integration")
ASIDE = ("acceptance",)
#: A browser has an event loop, which no other test may find in its process.
APART = ("browser",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One run of pytest and what it counted."""

    title: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    #: How pytest ended; None where it was not started.
    status: int | None = None
    #: What was not covered, a sentence each.
    gaps: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return f"{self.title:<12}{'not covered' if self.status is None else counts}"


def main(arguments: list[str]) -> int:
    """Run what was asked for, sum up, and return the exit status."""
    own, options = _split(arguments)
    asked = _parser().parse_args(own)
    if wrong := _misnamed(os.environ.get("TOX_ENV_NAME", "")):
        sys.exit(f"the environment is not what its name says: {wrong}")
    folders = asked.folders or _folders()
    aside = [each for each in folders if each in (asked.beside or ASIDE) and len(folders) > 1]
    folders = [folder for folder in folders if folder not in aside]
    shared = [folder for folder in folders if folder in PER_DATABASE]
    first, *others = asked.database or databases.NAMES
    with ThreadPoolExecutor(1) as databases_beside, ThreadPoolExecutor(1) as folders_beside:
        waiting = [
            *(databases_beside.submit(_aside, _on, each, shared, options) for each in others),
            *(folders_beside.submit(_aside, _alone, each, options) for each in aside),
        ]
        shown = [_on(first, shared, options), *_once(folders, options)]
        parts = [part for part in (*shown, *(each.result() for each in waiting)) if part]
    _sum_up(parts)
    return int(any(part.failed for part in parts) or not any(part.passed for part in parts))


def _misnamed(environment: str) -> str:
    """Return which releases of ``py313-dj61-celery57`` an environment does not have.

    What another package requires may have replaced them.
    """
    found = {"py": sys.version_info, "dj": django.VERSION, "celery": celery.VERSION}
    named = re.findall(r"(py|dj|celery)(\d)(\d+)", environment)
    wrong = [
        f"{name} is {found[name][0]}.{found[name][1]}"
        for name, major, minor in named
        if tuple(found[name][:2]) != (int(major), int(minor))
    ]
    return ", ".join(wrong)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    middle = arguments.index("--")
    return arguments[:middle], arguments[middle + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument(
        "--database",
        action="append",
        choices=databases.NAMES,
        help="only this database; may be given again (default: all)",
    )
    parser.add_argument(
        "--beside",
        action="append",
        metavar="FOLDER",
        help=f"run this folder beside the others, and so on (default: {' and '.join(ASIDE)})",
    )
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="only these folders of tests/")
    return parser


def _folders() -> list[str]:
    return sorted({path.relative_to(TESTS).parts[0] for path in TESTS.rglob("*/test_*.py")})


def _on(
    name: str, folders: list[str], options: list[str], output: IO[str] | None = None
) -> Part | None:
    if not folders:
        return None
    if name != "sqlite" and not getattr(servers, name)():
        gap = f"no {name}: {servers.MISSING[name]}"
        return Part(title=name, failed=int(servers.required()), gaps=(gap,))
    return _pytest(name, name, folders, options, output)


def _once(folders: list[str], options: list[str]) -> list[Part]:
    once = [folder for folder in folders if folder not in PER_DATABASE]
    rest = [folder for folder in once if folder not in APART]
    parts = [_pytest("the rest", "sqlite", rest, options)] if rest else []
    return parts + [_alone(folder, options) for folder in once if folder in APART]


def _alone(folder: str, options: list[str], output: IO[str] | None = None) -> Part:
    return _pytest(folder, "sqlite", [folder], options, output)


def _aside(run: Callable[..., Part | None], *what: Any) -> Part | None:
    """Run a part while others run, and print what it said when it is through, in one piece."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        part = run(*what, output)
        output.seek(0)
        sys.stdout.write(output.read())
        sys.stdout.flush()
    return part


def _pytest(
    title: str,
    database: str,
    folders: list[str],
    options: list[str],
    output: IO[str] | None = None,
) -> Part:
    print(f"\n{title}: pytest {' '.join(folders)}", flush=True, file=output)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        environment = {"JOBMAN_TEST_DATABASE": database, "JOBMAN_TEST_RECORD": str(record)}
        paths = [str(TESTS / folder) for folder in folders]
        command = [sys.executable, "-m", "pytest", *paths, *options]
        status = subprocess.run(
            command,
            env=os.environ | environment,
            check=False,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
        ).returncode
        counts = json.loads(record.read_text()) if record.exists() else {}
    if options and status == pytest.ExitCode.NO_TESTS_COLLECTED:
        status = 0  # the options chose tests of other parts
    if status and not counts.get("failed"):
        counts["failed"] = 1  # pytest itself
    return Part(title=title, status=status, **counts)


def _sum_up(parts: list[Part]) -> None:
    gaps = sorted({gap for part in parts for gap in part.gaps})
    lines = ["", *map(str, parts), *(f"not covered: {gap}" for gap in gaps), _total(parts)]
    print("\n".join(lines), flush=True)  # noqa: T201 - a command


def _total(parts: list[Part]) -> str:
    passed, failed, skipped = (
        sum(getattr(part, count) for part in parts) for count in ("passed", "failed", "skipped")
    )
    return f"total: {passed} passed, {failed} failed, {skipped} skipped"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
