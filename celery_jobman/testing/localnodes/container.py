"""What pytest-celery asks of a Docker container, answered by a local process.

pytest-celery's nodes (:class:`pytest_celery.CeleryTestNode` and its kinds) never look at
the type of the container they wrap; they call a handful of its methods.  A
:class:`LocalContainer` has these methods, under Docker's names and with Docker's meanings,
and runs a program of this machine with a folder of its own.

Docker's first process takes the whole container with it when it is killed.  Here too:
``kill()`` with ``SIGKILL`` ends everything that the program started, any other signal goes to
the program alone.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from celery_jobman.testing.localnodes.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POLL = 0.02


class NodeNotReady(Exception):
    """A program ended, or did not answer in time, while its node was waited for."""


class LocalContainer(ABC):
    """A program with a folder and a log, behind the interface of a Docker container."""

    #: Leads the name of the node and of its folder.
    kind: ClassVar[str]
    #: Seconds the program gets to become ready.
    start_timeout: ClassVar[float] = 60
    #: Seconds it gets to end when asked politely.
    stop_timeout: ClassVar[float] = 10
    #: What asks the program politely.
    stop_signal: ClassVar[int] = signal.SIGTERM
    #: Account of this machine to run as; ``None`` is the current one.
    user: str | None = None

    def __init__(self) -> None:
        self.id = secrets.token_hex(32)
        self.name = f"jobman-{self.kind}-{self.id[:8]}"
        self._paused = False
        self._log_read_from = 0

    @abstractmethod
    def argv(self) -> Sequence[str]:
        """Return the command line."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the running program can be used."""

    def env(self) -> Mapping[str, str]:
        """Return the program's whole environment."""
        return {}

    def prepare(self) -> None:  # noqa: B027 - most programs need nothing
        """Fill the folder, once, before the program is first started."""

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """Values that a Celery app needs to use this node; a new dictionary each time."""
        return {}

    @cached_property
    def folder(self) -> Path:
        """The node's own folder; removed with the node.  Its path is short enough for sockets."""
        path = Path(tempfile.mkdtemp(prefix=f"jobman-{self.kind}-"))
        if self.user is not None:
            shutil.chown(path, self.user)
        return path

    @cached_property
    def process(self) -> Process:
        """The program, not yet started."""
        return Process(
            argv=self.argv(),
            log=self.log_path,
            cwd=self.folder,
            env=self.env(),
            user=self.user,
        )

    @property
    def log_path(self) -> Path:
        """File that holds all that the program wrote, in every run."""
        return self.folder / "output.log"

    @property
    def status(self) -> str:
        """``created``, ``running``, ``paused`` or ``exited``, as it is now."""
        if not self.process.started:
            return "created"
        if not self.process.running:
            return "exited"
        return "paused" if self._paused else "running"

    @property
    def attrs(self) -> dict[str, Any]:
        """The part of ``docker inspect`` that tests read."""
        started = self.process.started
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Config": {"Hostname": self.id[:12]},
            "State": {
                "Status": self.status,
                "Running": self.process.running,
                "Paused": self._paused,
                "Pid": self.process.pid if started else 0,
                "ExitCode": _docker_exit_code(self.process.exit_code),
            },
        }

    def start(self) -> None:
        """Start the program, the first time after :meth:`prepare`, and return at once."""
        if not self.process.started:
            self.prepare()
            self.log_path.touch()
        if not self.process.running:
            self._log_read_from = self.log_path.stat().st_size
            self._paused = False
            self.process.start()

    def ready(self) -> bool:
        """Wait until the program can be used.

        Raises:
            NodeNotReady: It ended, or ``start_timeout`` passed.  The end of its log is in the text.
        """
        wait_until(self._answers_or_ended, timeout=self.start_timeout)
        if self.process.running and self.answers():
            return True
        raise NodeNotReady(f"{self.name} is {self.status} and not ready:\n{self.logs()[-4000:]}")

    def logs(self) -> str:
        """Return all that the program wrote, in every run."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def recent_logs(self) -> str:
        """Return what the program wrote since it was last started."""
        return self.log_path.read_bytes()[self._log_read_from :].decode(errors="replace")

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal, as ``docker kill`` does; ``SIGKILL`` ends the descendants too."""
        signum = _signal_number(signal)
        if signum == _signal_number("SIGKILL"):
            self.process.end()
        else:
            self.process.send(signum)

    def pause(self) -> None:
        """Freeze the program and its descendants; their connections stay open."""
        self.process.send_all(signal.SIGSTOP)
        self._paused = True

    def unpause(self) -> None:
        """Let a frozen program go on."""
        self.process.send_all(signal.SIGCONT)
        self._paused = False

    def stop(self, timeout: float | None = None) -> None:
        """Ask the program to end, and kill it when ``timeout`` seconds were not enough."""
        if self._paused:
            self.unpause()
        self.process.send(self.stop_signal)
        self.process.wait(self.stop_timeout if timeout is None else timeout)
        self.process.end()

    def restart(self, timeout: float | None = None) -> None:
        """Stop the program, start it again on the same ports and data, wait until it is ready."""
        self.stop(timeout)
        self.start()
        self.ready()

    def reload(self) -> None:  # noqa: B027 - Docker's name, and nothing to do
        """Do nothing: what this object says about the program is never cached."""

    def teardown(self) -> None:
        """Kill the program, if it was ever made, and remove its folder.

        A second call does nothing, nor does one on a node whose program is not installed.
        """
        made = vars(self)
        if "process" in made:
            self.process.end()
        if "folder" in made:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _answers_or_ended(self) -> bool:
        return not self.process.running or self.answers()


def wait_until(question: Callable[[], bool], *, timeout: float) -> bool:
    """Ask again and again, up to ``timeout`` seconds; return the last answer."""
    deadline = time.monotonic() + timeout
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return answer


def _signal_number(name: str | int) -> int:
    if isinstance(name, int):
        return name
    return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"].value


def _docker_exit_code(code: int | None) -> int:
    if code is None:
        return 0
    return code if code >= 0 else 128 - code
