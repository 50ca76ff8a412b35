"""Keeps a list of the process groups that tests started, in case the tests are killed.

The list is held by :mod:`celery_jobman.testing.localnodes.sentinel`, a small process
outside the test run's own group: it sees its input close however the test run ends, a
SIGKILL included, and then ends whatever is still listed.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO, cast

from celery_jobman.testing.localnodes import sentinel


def began(group: int, folder: Path | None = None) -> None:
    """Have ``group`` killed when this process is gone, unless it is reported as ended.

    Args:
        group: The process group.
        folder: Removed then with all that is in it.
    """
    _report(f"+ {group} {folder}" if folder else f"+ {group}")


def ended(group: int) -> None:
    """Forget ``group``: its number may soon belong to somebody else."""
    _report(f"- {group}")


def _report(line: str) -> None:
    pipe = _sentinel()
    pipe.write(f"{line}\n")
    pipe.flush()


@cache
def _sentinel() -> IO[str]:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
        [sys.executable, "-I", str(Path(sentinel.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    atexit.register(process.communicate)  # closes its input, and waits until all is killed
    return cast("IO[str]", process.stdin)
