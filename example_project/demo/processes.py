"""Processes the demonstration starts, each with all its children in a group of its own.

Whatever happens, leaving the :class:`Crew` ends every process in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

#: Seconds a process has to stop when asked to, before it is killed.
PATIENCE: Final = 10.0
#: Signals that end a program, if they are not put off.
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL: Final = 15


class DidNotStart(Exception):
    """A process ended, or took too long, before it was ready."""


class Process:
    """A running process and its children; it writes to a log file."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - the demonstration's own commands
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is the group's too."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def wait_until(self, is_ready: Callable[[], bool], timeout: float = 30.0) -> None:
        """Wait until the process is ready.

        Raises:
            DidNotStart: It ended before, or was not ready in time.  The message has the end
                of its log.
        """
        until = time.monotonic() + timeout
        while not is_ready():
            if not self.is_running or time.monotonic() > until:
                raise DidNotStart("\n".join([f"{self.name} did not start:", *self.tail()]))
            time.sleep(0.05)

    def tail(self, lines: int = _TAIL) -> list[str]:
        """Return the last lines of its log."""
        return self.log.read_text("utf-8", errors="replace").splitlines()[-lines:]

    def kill(self) -> None:
        """Kill the process and its children: SIGKILL, no goodbye."""
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def stop(self) -> None:
        """Ask the process to stop; kill it and its children if it takes too long."""
        if self.is_running:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(PATIENCE)
        self.kill()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Crew:
    """All processes of one demonstration.

    Args:
        folder: Where their logs are written.
        env: Their environment.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with unbroken():
            self._stack.close()

    def start(self, name: str, *command: str) -> Process:
        """Start a process; the last one started is the first one stopped."""
        with unbroken():  # or it might run and nobody know of it
            process = Process(name, command, self._folder / f"{name}.log", self._env)
            self._stack.callback(process.stop)
        return process


@contextmanager
def unbroken() -> Iterator[None]:
    """Put off the signals that end a program until the block is through."""
    caught: list[int] = []

    def put_off(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    usual = {each: signal.signal(each, put_off) for each in ENDING}
    try:
        yield
    finally:
        for each, handler in usual.items():
            signal.signal(each, handler)
        for number in caught:
            signal.raise_signal(number)
