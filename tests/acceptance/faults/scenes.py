"""Scenes: one fault on one ground.  A job is held at each moment, then the blow falls, once."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery_jobman.testing.localnodes import wait_until
from tests.acceptance import executions
from tests.acceptance.drivers import ProjectError
from tests.acceptance.faults.books import Books
from tests.acceptance.faults.cells import is_tried
from tests.acceptance.faults.moments import BROKER, CANCEL, HELD, MOMENTS, PREFETCHED, QUEUED, WEB
from tests.acceptance.gates import NeverReached
from tests.acceptance.projects import NOTHING
from tests.acceptance.stacks import QUICK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.acceptance.drivers import Driver
    from tests.acceptance.faults.table import Fault, Ground
    from tests.acceptance.gates import Gate
    from tests.acceptance.projects import Project, ProjectWorker
    from tests.acceptance.stacks import Stacks

#: A job that was asked to stop goes on standing at its gate.
PATIENT = {**QUICK, "CANCEL_GRACE": 300}
#: Messages that a worker takes ahead, for each of its processes.
AHEAD = 2


@dataclass(kw_only=True)
class Scene:
    """What is on stage: the jobs by their moments, the gates, the workers."""

    fault: Fault
    ground: Ground
    project: Project
    stacks: Stacks
    tags: dict[str, str] = field(default_factory=dict)
    #: The tags of the next links, by the moment of the job before.
    followers: dict[str, str] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    webs: dict[str, Driver] = field(default_factory=dict)
    missed: dict[str, NeverReached] = field(default_factory=dict)
    seconds: float = 0

    def play(self) -> Books:
        """Hold every job, strike, wait for the ends, and return the books."""
        try:
            self._hold_everything()
            began = time.monotonic()
            self.fault.strike(self)
            self._await_the_ends()
            self.seconds = time.monotonic() - began
            return Books.of(self)
        finally:
            self.project.close()
            for web in self.webs.values():
                web.close()

    @cached_property
    def victim(self) -> ProjectWorker:
        """The worker that holds the jobs."""
        return self.project.worker(
            pool=self.ground.pool,
            concurrency=max(len(self._held), 1),
            options=("--prefetch-multiplier", str(AHEAD)),
            settings=PATIENT,
            celery=self.fault.celery,
            environment=self.fault.environment,
        )

    def relieve(
        self, *, concurrency: int = 2, environment: Mapping[str, str] = NOTHING
    ) -> ProjectWorker:
        """Start another worker."""
        return self.project.worker(
            pool=self.ground.pool,
            concurrency=concurrency,
            settings=PATIENT,
            celery=self.fault.celery,
            environment=environment,
        )

    def release(self) -> None:
        """Let everything go on."""
        for gate in self.gates.values():
            gate.release()

    def let_web_go(self, moment: str) -> None:
        """Let the web process that is held at ``moment`` go on, and wait until it has."""
        self.gates.pop(moment).release()
        with self.webs.pop(moment) as web:
            web.answer()

    def hold_the_next(self, moment: str, gate: str) -> Gate:
        """Hold the next attempt of the job that is held at ``moment`` too, at another gate."""
        return self.project.arm(self.tags[moment], gate)

    def act(self, verb: str, moment: str, **options: Any) -> None:
        """Do to the job that is held at ``moment`` what a person can do."""
        self.project.driver.call("act", verb, self.row(moment)["id"], **options)

    def executions(self, moment: str) -> list[dict[str, Any]]:
        """Return what became of each message of the job that was held at ``moment``."""
        job_id = self.row(moment)["id"]
        noted = executions.noted(self.project.folder)
        return [execution for execution in noted if execution["job"] == job_id]

    def await_executions(self, moment: str, **facts: Any) -> None:
        """Wait until a process is done with such a message of the job."""
        wanted = facts.items()
        self.project.wait(lambda: any(wanted <= done.items() for done in self.executions(moment)))

    def row(self, moment: str) -> dict[str, Any]:
        """Return the row of the job that was held at ``moment``."""
        found: dict[str, Any] = self.project.driver.call("ledger", self.project.queue)
        return dict(found.get(self.tags[moment], {}))

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return every job of the scene, by its tag."""
        found: dict[str, dict[str, Any]] = self.project.driver.call("ledger", self.project.queue)
        return found

    def outcomes(self, moment: str) -> list[str]:
        """Return how the attempts so far of the job that was held at ``moment`` have ended."""
        return [attempt["outcome"] for attempt in self.row(moment)["attempts"]]

    def last_signs(self) -> dict[str, float]:
        """Return when each worker gave its last sign of life."""
        found: dict[str, float] = self.project.driver.call("last_signs", self.project.queue)
        return found

    @property
    def _tried(self) -> list[str]:
        return self.fault.tried(self.ground)

    @property
    def _held(self) -> list[str]:
        return [moment for moment in self._tried if moment in HELD]

    def _hold_everything(self) -> None:
        self.victim.ready()
        for moment in self._held:
            self._hold(moment)
        for moment in self._held:
            self._see(moment)
        if CANCEL in self._held:
            self.project.driver.call("act", "cancel", self.row(CANCEL)["id"])
        if set(BROKER) & set(self._tried):
            self._fill_the_broker()
        for moment in WEB:
            if moment in self._tried:
                self._hold_a_web_process(moment)

    def _hold(self, moment: str) -> None:
        tag = self.tags[moment] = self.project.new_tag()
        script = MOMENTS[moment]
        self.gates[moment] = self.project.arm(tag, script.gate, after=script.after)
        words = [1] if script.task == "failing" else []
        self.project.enqueue(script.task, *words, tag=tag, **self._followed(moment))

    def _followed(self, moment: str) -> dict[str, Any]:
        """Return the options that put the job into a chain, if its moment is of one."""
        script = MOMENTS[moment]
        if not script.followed_by:
            return {}
        self.followers[moment] = self.project.new_tag()
        return {"chain": [self.project.link(script.followed_by, self.followers[moment])]}

    def _see(self, moment: str) -> None:
        try:
            self.gates[moment].wait()
        except NeverReached as error:
            self.missed[moment] = error
            del self.gates[moment]

    def _fill_the_broker(self) -> None:
        """One message more than the worker takes ahead, so that one stays in the broker."""
        busy = len(self._held)
        room = busy * AHEAD - (busy if self.fault.acks_late else 0)
        tags = [self.project.new_tag() for _ in range(room + 1)]
        self.tags |= {PREFETCHED: tags[0], QUEUED: tags[-1]}
        words = [[tag] for tag in tags]
        self.project.driver.call("enqueue_many", "knock", words, queue=self.project.queue)
        self.project.wait(lambda: self.depth() > 0)

    def depth(self) -> int:
        """Count the messages that no worker has taken."""
        return int(self.project.driver.call("depth", self.project.queue))

    def _hold_a_web_process(self, moment: str) -> None:
        role = f"{self.project.queue} {moment}"
        web = self.webs[moment] = self.project.another_driver(role=role)
        tag = self.tags[moment] = self.project.new_tag()
        self.gates[moment] = self.project.arm(role, MOMENTS[moment].gate)
        web.begin("enqueue_in_transaction", "knock", [tag], queue=self.project.queue)
        self._see(moment)

    def _await_the_ends(self) -> None:
        for web in self.webs.values():
            with suppress(ProjectError, EOFError):
                web.answer()
        wait_until(lambda: self._are_final(self.rows()), timeout=self.fault.within)
        wait_until(self._have_dropped, timeout=10)
        # Messages are taken in order: when this job is done, no older message is left to run.
        self.project.wait_for(self.project.enqueue("noop"))

    def _have_dropped(self) -> bool:
        """Whether every message has come that must be dropped."""
        cells = {moment: self.fault.cells[moment] for moment in self._tried}
        dropping = [moment for moment, cell in cells.items() if is_tried(cell) and cell.drops]
        states = ([done["state"] for done in self.executions(moment)] for moment in dropping)
        return all(executions.DROPPED in each for each in states)

    def _are_final(self, rows: dict[str, dict[str, Any]]) -> bool:
        return all(row["finished_at"] for row in rows.values())
