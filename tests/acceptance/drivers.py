"""A test's side of the project's driver process."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from celery_jobman.testing.localnodes import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]


class ProjectError(Exception):
    """Something raised inside the project.  ``kind`` is the name of the exception's class."""

    def __init__(self, error: dict[str, str]) -> None:
        super().__init__(f"{error['type']}: {error['message']}\n{error['traceback']}")
        self.kind = error["type"]
        self.message = error["message"]


class Driver:
    """A process of the project that does what it is asked, one thing at a time."""

    def __init__(self, environment: Mapping[str, str], errors: IO[str] | None = None) -> None:
        """Start the process.  ``errors`` is where it writes its log, by default as we do."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.project.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env=dict(environment),
            text=True,
            start_new_session=True,
        )
        guard.began(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, door: str, *args: Any, **kwargs: Any) -> Any:
        """Do something and return what it returned.

        Raises:
            ProjectError: It raised.
        """
        self.begin(door, *args, **kwargs)
        return self.answer()

    def begin(self, door: str, *args: Any, **kwargs: Any) -> None:
        """Ask for something without waiting for the answer."""
        assert self._process.stdin
        request = json.dumps({"door": door, "args": args, "kwargs": kwargs})
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()

    def answer(self, timeout: float = 60) -> Any:
        """Wait for the answer to :meth:`begin`.

        Raises:
            ProjectError: What was asked for raised.
            TimeoutError: There is none after ``timeout`` seconds.
        """
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        if not ready:
            raise TimeoutError(f"the project did not answer in {timeout:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"the driver ended with {self._process.wait(10)}")
        answer = json.loads(line)
        if "error" in answer:
            raise ProjectError(answer["error"])
        return answer["value"]

    def kill(self) -> None:
        """Kill the process, as with ``kill -9``."""
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        self.kill()
        guard.ended(self.pid)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
