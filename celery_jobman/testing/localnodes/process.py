"""A program in a process group of its own, with its output in a file."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from celery_jobman.testing.localnodes import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class ProgramFailed(Exception):
    """A program that had to succeed did not."""


@dataclass(kw_only=True)
class Process:
    """A program that can be started, signalled and started again.

    Its output is appended to ``log``, so that what an earlier run wrote stays readable.
    """

    argv: Sequence[str]
    log: Path
    #: A folder of the program's own; it is removed if the test run is killed.
    cwd: Path
    #: The whole environment; nothing is inherited.
    env: Mapping[str, str]
    #: Run as this account of the machine.  Only root may ask for another account.
    user: str | None = None
    _popen: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int:
        """Process id of the current run, or of the last one."""
        if self._popen is None:
            raise RuntimeError(f"{self.argv[0]} was never started")
        return self._popen.pid

    @property
    def started(self) -> bool:
        """Whether the program was started at least once."""
        return self._popen is not None

    @property
    def exit_code(self) -> int | None:
        """Exit status; negative for the signal that ended it, ``None`` while it runs."""
        return self._popen.poll() if self._popen else None

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self.started and self.exit_code is None

    def start(self) -> None:
        """Start the program, unless it runs already."""
        if self.running:
            return
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - tests choose what they start
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.cwd,
                env=dict(self.env),
                start_new_session=True,
                **_as_account(self.user),
            )
        guard.began(self.pid, self.cwd)

    def send(self, signum: int) -> None:
        """Send a signal to the program itself, and not to what it started."""
        if self.running:
            os.kill(self.pid, signum)

    def send_all(self, signum: int) -> None:
        """Send a signal to the program and everything that it started."""
        if not self.started:
            return
        _each(self._descendants(), lambda process: process.send_signal(signum))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signum)

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for the program to end; return whether it did."""
        if self._popen is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)
        return not self.running

    def children(self) -> list[int]:
        """Return the process ids of the program's direct children, oldest first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return sorted(child.pid for child in psutil.Process(self.pid).children())
        return []

    def end(self) -> None:
        """Kill the program with everything that it started.  Harmless when it has ended."""
        if not self.started:
            return
        self.send_all(signal.SIGKILL)
        self.wait(timeout=10)
        guard.ended(self.pid)

    def _descendants(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.running:
                return list(psutil.Process(self.pid).children(recursive=True))
        return []


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    user: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its whole output is in ``stdout``, its status is not judged."""
    return subprocess.run(  # noqa: S603 - tests choose what they run
        list(command),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=dict(env),
        **_as_account(user),
    )


def output(command: Sequence[str], **place: Any) -> str:
    """Run a program as :func:`run` does and return its output.

    Raises:
        ProgramFailed: Its exit status is not 0.  The output is in the text.
    """
    finished = run(command, **place)
    if finished.returncode:
        raise ProgramFailed(f"{command[0]} gave {finished.returncode}:\n{finished.stdout}")
    return finished.stdout.strip()


def _each(processes: list[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            act(process)


def _as_account(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
