"""Switch a guard off and see who notices: ``python -m tests.acceptance.faults.mutations [NAME …]``.

Each mutation is made in a copy of the source; the tests named with it run there.  A mutation
that no test notices is a hole in the tests, and so is a cell named with it that does not fail:
the exit status is 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[3]
COPIED: Final = ("celery_jobman", "tests", "example_project", "docs", "pyproject.toml")
CELLS: Final = "tests/acceptance/faults/test_faults.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One guard, and how it is switched off."""

    name: str
    file: str
    guard: str
    instead: str
    #: pytest's arguments, one run for each.
    tests: tuple[tuple[str, ...], ...]
    #: Cells of the matrix, by their ids, that must fail.
    cells: tuple[str, ...]

    def make(self, root: Path) -> None:
        path = root / self.file
        source = path.read_text(encoding="utf-8")
        assert source.count(self.guard) == 1, f"{self.name}: the guard is not in {self.file}"
        path.write_text(source.replace(self.guard, self.instead), encoding="utf-8")


MUTATIONS: Final = (
    Mutation(
        name="the state that a job may leave",
        file="celery_jobman/core/transitions.py",
        guard='{"id": job_id, "state": OneOf(tuple(sorted(allowed))), **at}',
        instead='{"id": job_id, **at}',
        tests=(
            ("tests/unit/core/test_transitions.py", "tests/unit/core/test_attempts.py"),
            ("tests/acceptance/test_cancel.py", "-k", "queued"),
            (CELLS, "-k", "cancelled_meanwhile"),
        ),
        cells=(
            "cancelled_meanwhile-between_commit_and_publish-redis-postgresql-prefork",
            "cancelled_meanwhile-message_in_the_broker-redis-postgresql-prefork",
            "cancelled_meanwhile-message_prefetched-redis-postgresql-prefork",
            "cancelled_meanwhile-finished-redis-postgresql-prefork",
            "cancelled_meanwhile-during_a_retry-redis-postgresql-prefork",
        ),
    ),
    Mutation(
        name="the delivery that a claim names",
        file="celery_jobman/core/attempts.py",
        guard='at={"delivery": delivery, "attempt": run.number - 1},',
        instead='at={"attempt": run.number - 1},',
        tests=(
            ("tests/unit/core/test_attempts.py", "tests/unit/core/test_rescheduling.py"),
            (CELLS, "-k", "stale_message"),
        ),
        cells=(
            "stale_message-between_commit_and_publish-rabbitmq-mariadb-prefork",
            "stale_message-message_in_the_broker-rabbitmq-mariadb-prefork",
            "stale_message-message_prefetched-rabbitmq-mariadb-prefork",
            "stale_message-during_a_retry-rabbitmq-mariadb-prefork",
        ),
    ),
    Mutation(
        name="redelivery",
        file="celery_jobman/core/redelivery.py",
        guard="if missing <= 0:",
        instead="if missing is not None:",
        tests=(("tests/unit/core/test_redelivery.py",), (CELLS, "-k", "broker_wiped and redis")),
        cells=("broker_wiped-message_in_the_broker-redis-postgresql-prefork",),
    ),
    Mutation(
        name="the attempt that an end names",
        file="celery_jobman/core/attempts.py",
        guard='at={"attempt": run.number} | (',
        instead="at={} | (",
        tests=(
            ("tests/unit/core/test_attempts.py",),
            ("tests/acceptance/test_takeover.py", "-k", "quiet"),
            (CELLS, "-k", "frozen_worker"),
        ),
        cells=(
            "frozen_worker-finishing-redis-postgresql-prefork",
            "frozen_worker-finishing-rabbitmq-mariadb-threads",
        ),
    ),
    Mutation(
        name="whose the end of an attempt is",
        file="celery_jobman/runtime/settling.py",
        guard="if outcome == ending.outcome:",
        instead="if outcome is not None:",
        tests=(
            ("tests/unit/runtime/test_settling.py",),
            (CELLS, "-k", "frozen_worker and redis"),
        ),
        cells=("frozen_worker-finishing-redis-postgresql-prefork",),
    ),
    Mutation(
        name="what follows a job",
        file="celery_jobman/runtime/canvas.py",
        guard="    return Following(task, job, verdict.value)",
        instead="    return None",
        tests=(
            ("tests/unit/runtime/test_canvas.py",),
            ("tests/acceptance/test_links.py", "-k", "finished and redis"),
        ),
        cells=(),
    ),
)


def main(names: Iterable[str]) -> int:
    """Try the mutations whose names contain one of ``names``, or all; return the exit status."""
    wanted = list(names) or [""]
    chosen = [each for each in MUTATIONS if any(name in each.name for name in wanted)]
    noticed = [_is_noticed(mutation) for mutation in chosen]
    return int(not all(noticed))


def _is_noticed(mutation: Mutation) -> bool:
    failing = _tried(mutation)
    say(f"\nwithout {mutation.name}: {len(failing)} fail")
    for test in failing:
        say(f"  {test}")
    silent = [cell for cell in mutation.cells if not any(f"[{cell}]" in each for each in failing)]
    for cell in silent:
        say(f"  and this cell does not: {cell}")
    return bool(failing) and not silent


def _tried(mutation: Mutation) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        mutation.make(root)
        return [test for tests in mutation.tests for test in _failing(root, tests)]


def _failing(root: Path, tests: tuple[str, ...]) -> list[str]:
    command = [sys.executable, "-m", "pytest", *tests, "-q", "-rfE", "--tb=no"]
    environment = os.environ | {"PYTHONPATH": str(root), "JOBMAN_TEST_DATABASE": "sqlite"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
