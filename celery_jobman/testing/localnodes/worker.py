"""A Celery worker as a local process behind the interface of pytest-celery's worker container."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import celery

from celery_jobman.testing.localnodes.container import LocalContainer
from celery_jobman.testing.localnodes.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What a worker takes over from the tests' environment; a container would take nothing.
_INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")


class LocalWorker(LocalContainer):
    """``celery worker`` with this interpreter.

    ``command`` is the command line as pytest-celery writes it, beginning with ``celery``;
    ``%h`` in it stands for this node's own host name, as it would in a container.
    ``content`` maps names of files to their text; they are laid into the node's folder, where
    the worker is started.
    """

    kind: ClassVar[str] = "worker"

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        content: Mapping[str, bytes] | None = None,
    ) -> None:
        super().__init__()
        self._command = tuple(command)
        self._extra_env = dict(env)
        self._content = dict(content or {})

    def prepare(self) -> None:
        """Lay the worker's modules into the folder."""
        for name, text in self._content.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)

    def argv(self) -> Sequence[str]:
        """Return the command line."""
        program, *arguments = self._command
        hostname = self.id[:12]
        return [
            sys.executable,
            "-m",
            program,
            *(word.replace("%h", hostname) for word in arguments),
        ]

    def env(self) -> Mapping[str, str]:
        """Return the program's whole environment: what was asked for, and where programs are."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**inherited, **self._extra_env, "PYTHONPATH": self._python_path()}

    def answers(self) -> bool:
        """Whether the worker says that it is ready."""
        return " ready." in self.recent_logs()

    def pool_pids(self) -> list[int]:
        """Return the process ids of the pool processes, oldest first (prefork only)."""
        return self.process.children()

    def exec_run(self, cmd: str | Sequence[str]) -> tuple[int, bytes]:
        """Run a command in the worker's folder and return its exit status and its output.

        ``python`` is the worker's interpreter.  ``JOBMAN_NODE_PID`` tells the worker's process.
        """
        words = shlex.split(cmd) if isinstance(cmd, str) else list(cmd)
        command = [sys.executable if word == "python" else word for word in words]
        env = {**self.env(), "JOBMAN_NODE_PID": str(self.process.pid)}
        finished = run(command, env=env, cwd=self.folder)
        return finished.returncode, finished.stdout.encode()

    def version(self) -> str:
        """Return the version of Celery that the worker runs."""
        return str(celery.__version__)

    def log_level(self) -> str:
        """Return the worker's log level."""
        return self._option("--loglevel", "-l", default="WARNING")

    def worker_name(self) -> str:
        """Return the part of the worker's name before the ``@``."""
        return self._option("--hostname", "-n", default="celery@%h").partition("@")[0]

    def worker_queue(self) -> str:
        """Return the queues that the worker consumes, separated by commas."""
        return self._option("--queues", "-Q", default="celery")

    def _option(self, long: str, short: str, *, default: str) -> str:
        words = iter(self._command)
        for word in words:
            if word.startswith(f"{long}="):
                return word.removeprefix(f"{long}=")
            if word in {long, short}:
                return next(words, default)
        return default

    def _python_path(self) -> str:
        inherited = os.environ.get("PYTHONPATH", "")
        asked = self._extra_env.get("PYTHONPATH", "")
        folders = [str(self.folder), *asked.split(os.pathsep), *inherited.split(os.pathsep)]
        return os.pathsep.join(folder for folder in folders if folder and Path(folder).exists())
