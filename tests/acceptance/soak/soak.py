"""The soak: a mixed load under random faults, and the books at the end."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.testing.localnodes import wait_until
from tests.acceptance import deeds
from tests.acceptance.drivers import ProjectError
from tests.acceptance.soak import detection, strikes
from tests.acceptance.soak.books import Books
from tests.acceptance.soak.detection import Death, deaths
from tests.acceptance.soak.people import People
from tests.acceptance.soak.stage import QUEUE, Stage, ask_for_stacks
from tests.acceptance.soak.watch import Watch
from tests.acceptance.stacks import Stacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.acceptance.soak.plan import Pace, Plan

#: Final states.
ENDED: Final = {"succeeded", "failed", "cancelled", "skipped"}


@dataclass(kw_only=True)
class Soak:
    """One soak, from the first job to the books."""

    plan: Plan
    pace: Pace
    ground: str
    say: Callable[[str], None]
    complaints: list[str] = field(default_factory=list)
    stage: Stage = field(init=False)
    people: People = field(init=False)
    watch: Watch = field(init=False)
    books: Books = field(init=False)
    deaths: list[Death] = field(init=False)
    #: How long all took, in seconds.
    seconds: float = field(init=False)

    def play(self, stage: Stage) -> None:
        """Play the plan; afterwards ``complaints`` says what does not balance."""
        self.stage, self.people, self.watch = stage, People(stage, self.plan), Watch(stage)
        self.watch.start()
        self.people.start()
        began = time.monotonic()
        self._strike(stage, began)
        self._settle(stage, self.people)
        self.watch.stop()
        self.seconds = time.monotonic() - began
        self.books = _books(self.plan, stage, self.people)
        self.deaths = deaths(stage.blows, self.books.rows)
        self.complaints += self._complaints()

    def _strike(self, stage: Stage, began: float) -> None:
        late = 0.0  # a strike that takes longer than planned puts off those that follow
        for order in self.plan.strikes:
            while (wait := began + late + order.at - time.monotonic()) > 0:
                time.sleep(min(wait, 0.5))
                stage.mind()
            late -= wait
            strikes.strike(stage, order)
            self.say(f"{time.monotonic() - began:7.1f} s  {order.fault} {_where(stage)}")
        time.sleep(max(0.0, self.plan.seconds - (time.monotonic() - began)))

    def _settle(self, stage: Stage, people: People) -> None:
        """Wait until everybody has done what they wanted, and every job has ended."""
        patience = 60 + 3 * (self.pace.lost_after + self.pace.redeliver_after)
        if not wait_until(lambda: self._is_over(stage, people), timeout=patience):
            for worker in stage.workers:
                ask_for_stacks(worker)
        people.join(0.1)
        if people.is_alive():
            self.complaints.append(f"people were not done after {patience:g} s")

    def _is_over(self, stage: Stage, people: People) -> bool:
        time.sleep(0.5)
        stage.mind()
        try:
            states = stage.project.states()
        except ProjectError:
            return False
        return not people.is_alive() and not stage.leaving and set(states) <= ENDED

    def _complaints(self) -> Iterator[str]:
        yield from self.stage.complaints
        yield from self.people.complaints
        yield from self.books.complaints()
        yield from self.watch.complaints()
        yield from detection.complaints(self.deaths, self.pace)


def play(soak: Soak, folder: Path, keep: Path | None = None) -> None:
    """Play a soak on servers of its own, and end them."""
    gates = folder / "gates"
    gates.mkdir()
    stacks = Stacks(folder=folder)
    try:
        broker, database = soak.ground.split("-")
        stage = Stage.build(stacks, broker, database, gates, soak.pace)
        try:
            soak.play(stage)
        finally:
            if keep is not None:
                _keep(soak, stage, keep)
            stage.close()
    finally:
        stacks.close()


def _keep(soak: Soak, stage: Stage, folder: Path) -> None:
    """Copy what may explain a complaint: logs, rows, deeds and blows."""
    folder.mkdir(parents=True, exist_ok=True)
    for worker in stage.project.workers:
        shutil.copy(worker.log_path, folder / f"{worker.worker_name()}.log")
    for pattern in ("*.jsonl", "*.log"):
        for noted in stage.project.folder.glob(pattern):
            shutil.copy(noted, folder)
    rows = soak.books.rows if "books" in vars(soak) else []
    facts = {"rows": rows, "blows": [asdict(blow) for blow in stage.blows]}
    (folder / "books.json").write_text(json.dumps(facts, indent=1))


def _books(plan: Plan, stage: Stage, people: People) -> Books:
    driver = stage.project.driver
    rows: list[dict[str, Any]] = driver.call("accounts", QUEUE)
    return Books(
        plan=plan,
        rows=rows,
        deeds=deeds.noted(stage.project.folder),
        blows=stage.blows,
        accepted=set(people.accepted),
        orphans=driver.call("orphans"),
    )


def _where(stage: Stage) -> str:
    blow = stage.blows[-1]
    held = f", {len(blow.held)} jobs there" if blow.held else ""
    return f"{blow.hostname.split('@')[0]}{held}"
