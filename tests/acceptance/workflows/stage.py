"""The stage: single workflows, whose processes are held while others go on."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.acceptance.workflows.loom import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.acceptance.drivers import Driver
    from tests.acceptance.gates import Gate
    from tests.acceptance.projects import Project
    from tests.acceptance.workflows.loom import Outcome
    from tests.acceptance.workflows.shapes import Shape

_numbers = count(1)


@dataclass(kw_only=True)
class Play:
    """One workflow, from before it is dispatched."""

    project: Project
    shape: Shape
    #: What parts do in each attempt; see :mod:`tests.acceptance.project.parts`.
    acts: dict[str, Sequence[str]]
    #: Parts whose messages nobody takes.
    late: Sequence[str]
    #: Failures that batches allow, by their paths.
    allowances: dict[str, Any] = field(default_factory=dict)
    #: Its batches tell how far they are.
    watched: bool = False
    key: str = field(default_factory=lambda: f"p{next(_numbers)}")
    root: str = ""
    gates: list[Gate] = field(default_factory=list)

    @property
    def driver(self) -> Driver:
        return self.project.driver

    def hold(self, part: str, moment: str, *, after: int = 0) -> Gate:
        """Let the process of a part stand at a moment."""
        self.gates.append(self.project.arm(f"{self.key}.{part}", moment, after=after))
        return self.gates[-1]

    def hold_process(self, role: str, moment: str, *, after: int = 0) -> Gate:
        """Let a process in which no task runs stand at a moment."""
        self.gates.append(self.project.arm(role, moment, after=after))
        return self.gates[-1]

    def begin(self) -> None:
        """Dispatch it."""
        queue = self.project.queue
        plan: dict[str, Any] = {
            "key": self.key,
            "shape": self.shape,
            "queue": queue,
            "late_queue": f"{queue}-never",
        }
        plan |= {"acts": self.acts, "late": self.late, "excused": [], "watched": self.watched}
        self.root = self.driver.call("weave", {**plan, "allowances": self.allowances})

    def id_of(self, name: str) -> str:
        """Return the id of a part by its name, or of a batch by its path."""
        known: dict[str, str] = self.driver.call("members", self.root)
        return known[name]

    def row(self, path: str) -> dict[str, Any]:
        """Return the row of a batch."""
        found: dict[str, Any] = self.driver.call("batch_row", f"{self.key}:{path}")
        return found

    def act(self, verb: str, name: str, **options: Any) -> None:
        """Do something to a part or a batch."""
        self.driver.call("act", verb, self.id_of(name), **options)

    def rest(self, *, timeout: float = 60) -> None:
        """Wait until nothing goes on."""
        late = f"{self.project.queue}-never"
        self.project.wait(lambda: not self.driver.call("busy", [self.root], late), timeout=timeout)

    def await_part(self, part: str, state: str) -> None:
        """Wait until a part is in a state."""
        self.project.wait(lambda: self.outcome().parts[part]["state"] == state)

    def let_go_on(self, part: str) -> None:
        """Wait until a part was put off, and let it go on."""
        self.project.wait(lambda: "released" in self.outcome().parts[part]["outcomes"])
        self.driver.call("put_off", self.id_of(part), 0)

    def await_a_lock(self) -> None:
        """Wait until a session waits for a row."""
        self.project.wait(lambda: self.driver.call("somebody_waits"))

    def outcome(self) -> Outcome:
        """Return what has become of it."""
        return read(self.project, {self.key: self.root})[self.key]

    def kill(self, gate: Gate) -> None:
        """Kill the process that comes to a gate."""
        os.kill(gate.wait(), signal.SIGKILL)

    def close(self) -> None:
        """Let everybody go on."""
        for gate in self.gates:
            gate.release()
