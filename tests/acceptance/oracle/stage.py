"""The stage: one worker and one player, in which many workflows are played beside one another."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.testing.localnodes import guard
from tests.acceptance.projects import Project
from tests.acceptance.stacks import ROOT, Stacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.acceptance.oracle.trees import Tree

#: Runs that are played beside one another.
AT_ONCE: Final = 240
#: Seconds until so many have ended, on a machine that does much else.
PATIENCE: Final = 300
SETTINGS: Final = {"DISPATCH_EVERY": 0.5, "RESCUE_EVERY": 5}
TASKS: Final = ["tests.acceptance.oracle.tasks"]
CELERY: Final = {
    "CELERY_TASK_DEFAULT_QUEUE": "oracle",
    # Messages that nobody is done with can be counted.
    "CELERY_TASK_ACKS_LATE": True,
    "CELERY_RESULT_EXTENDED": True,
}
QUEUES: Final = "oracle,oracle-other"
PROCESSES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Run:
    """One workflow, called by one side."""

    side: str
    tree: Tree


@dataclass(kw_only=True)
class Stage:
    """Plays runs and returns what became of them."""

    player: Player
    played: int = 0
    _numbers: Iterator[int] = field(default_factory=count)

    def play(self, runs: Iterable[Run]) -> list[dict[str, Any]]:
        """Return the outcome of each run, in order."""
        waiting, found = [*runs], []
        while waiting:
            some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            found += self._play(some)
        return found

    def _play(self, runs: Sequence[Run]) -> list[dict[str, Any]]:
        keys = [f"run-{next(self._numbers)}-{run.side}" for run in runs]
        plan = [
            {"key": key, "side": run.side, "tree": run.tree}
            for key, run in zip(keys, runs, strict=True)
        ]
        self.played += len(runs)
        outcomes = self.player.play(plan)
        return [outcomes[key] for key in keys]


class Player:
    """The process that calls; see :mod:`tests.acceptance.oracle.player`."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.oracle.player"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
            text=True,
            start_new_session=True,
        )
        guard.began(self._process.pid)

    def play(self, plan: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the outcomes of runs by their keys.

        Raises:
            TimeoutError: There are none in time.
            EOFError: The process has ended.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{json.dumps(plan)}\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise TimeoutError(f"the player did not answer in {PATIENCE} s")
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"the player ended with {self._process.wait(10)}")
        answer: dict[str, dict[str, Any]] = json.loads(line)
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        guard.ended(self._process.pid)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()


@contextmanager
def stage_on(stacks: Stacks, folder: Path, planted: str = "") -> Iterator[Stage]:
    """Start a worker and a player on Redis and PostgreSQL.

    Args:
        stacks: The servers.
        folder: Where the processes keep their files.
        planted: A module that both import; it may plant a fault.
    """
    stack = stacks.fresh("redis", "postgresql")
    imports = [*TASKS, planted] if planted else TASKS
    celery = {**CELERY, "CELERY_IMPORTS": imports}
    environment = {
        **stack.environment(role="player", folder=folder, settings=SETTINGS),
        "JOBMAN_ACCEPTANCE_MORE_SETTINGS": json.dumps(celery),
        "JOBMAN_ORACLE_PLANTED": planted,
    }
    player = Player(environment)
    project = Project(stack=stack, driver=None, folder=folder, queue=QUEUES)  # type: ignore[arg-type]
    try:
        project.worker(concurrency=PROCESSES, settings=SETTINGS, celery=celery)
        yield Stage(player=player)
    finally:
        player.close()
        project.close()
