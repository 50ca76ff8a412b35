"""Ends the process groups that a killed test run left behind.

This file is run by its path, as a process of its own, and reads lines from its standard
input: ``+ 4711`` when a process group began, ``- 4711`` when it was ended.  When the input
closes, because the test run finished or was killed, every group still listed gets SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def groups_left(lines: Iterable[str]) -> set[int]:
    """Return the process groups that began and were not ended when ``lines`` ran out."""
    left: set[int] = set()
    for line in lines:
        sign, group = line.split()
        (left.add if sign == "+" else left.discard)(int(group))
    return left


def main() -> None:
    """Wait for the end of the input, then kill what is left."""
    for group in groups_left(sys.stdin):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
