"""Gates: hold a process at a named moment, so that a fault strikes exactly there.

A test *arms* a gate.  The process that reaches the moment notes its process id and stands
still until the test releases it, or kills it.  A gate catches once; what runs afterwards (the
next attempt) passes.

The package calls :func:`reached` at its own moments (``JOBMAN_MOMENTS``), the tasks of these
tests call it in their bodies.  A gate belongs to one job, told by the keyword ``tag`` or
else the first argument of its task, or to the role of a process (``JOBMAN_ACCEPTANCE_ROLE``)
where no task runs.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import celery

FOLDER = "JOBMAN_ACCEPTANCE_GATES"
ROLE = "JOBMAN_ACCEPTANCE_ROLE"
_POLL = 0.01


class NeverReached(Exception):
    """Nothing came to a gate in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One moment of one job, as a test sees it."""

    folder: Path
    tag: str
    moment: str

    @property
    def armed(self) -> Path:
        return self.folder / f"{self._name}.armed"

    @property
    def held(self) -> Path:
        return self.folder / f"{self._name}.held"

    @property
    def is_held(self) -> bool:
        return self.held.exists()

    @property
    def pid(self) -> int:
        """The process that stands, or stood, at the gate."""
        return int(self.held.read_text())

    def wait(self, timeout: float = 30) -> int:
        """Wait until a process stands at the gate; return its id."""
        deadline = time.monotonic() + timeout
        while not self.is_held:
            if time.monotonic() > deadline:
                raise NeverReached(f"{self.moment!r} of {self.tag} not reached in {timeout:g} s")
            time.sleep(_POLL)
        return self.pid

    def release(self) -> None:
        """Let the process go on; also disarm the gate if nothing came."""
        self.armed.unlink(missing_ok=True)
        self.held.unlink(missing_ok=True)

    def pass_through(self) -> None:
        """Stand at the gate if it is armed; called in the process that came."""
        mine = self.folder / f"{self._name}.{os.getpid()}"
        try:
            self.armed.rename(mine)
        except FileNotFoundError:
            return
        if passes := int(mine.read_text()):
            mine.write_text(str(passes - 1))
            mine.rename(self.armed)
            return
        mine.write_text(str(os.getpid()))
        mine.rename(self.held)
        while self.held.exists():
            time.sleep(_POLL)

    @property
    def _name(self) -> str:
        return f"{self.tag}.{self.moment}".replace(" ", "_").replace(":", "-")


def arm(folder: Path, tag: str, moment: str, *, after: int = 0) -> Gate:
    """Arm a gate that lets its moment pass ``after`` times before it holds."""
    gate = Gate(folder=folder, tag=tag, moment=moment)
    gate.armed.write_text(str(after))
    return gate


def reached(moment: str) -> None:
    """Stand still here if the test armed this moment for the job that runs."""
    folder = os.environ.get(FOLDER)
    if folder:
        Gate(folder=Path(folder), tag=tag(), moment=moment).pass_through()


def tag() -> str:
    """Return what gates of the job, or the process, that runs here are called by."""
    task = celery.current_task
    if not task or not task.request.id:
        return os.environ.get(ROLE, "nobody")
    named = (task.request.kwargs or {}).get("tag")
    arguments = [named] if named else task.request.args
    return str(arguments[0]) if arguments else os.environ.get(ROLE, "nobody")
