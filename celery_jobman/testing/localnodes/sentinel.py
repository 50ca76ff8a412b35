"""Ends the process groups that a killed test run left behind, and removes their folders.

This file is run by its path, as a process of its own, and reads lines from its standard
input: ``+ 4711 /tmp/folder`` when a process group began (the folder may be left out),
``- 4711`` when it was ended.  When the input closes, because the test run finished or was
killed, every group still listed gets SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def groups_left(lines: Iterable[str]) -> dict[int, str]:
    """Return the groups that began and were not ended when ``lines`` ran out, with folders."""
    left: dict[int, str] = {}
    for line in lines:
        sign, group, *folder = line.rstrip("\n").split(" ", maxsplit=2)
        if sign == "+":
            left[int(group)] = "".join(folder)
        else:
            left.pop(int(group), None)
    return left


def main() -> None:
    """Wait for the end of the input, then kill and remove what is left."""
    for group, folder in groups_left(sys.stdin).items():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
