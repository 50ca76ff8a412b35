"""A trial: one scene is played with one fault, and what came of it is judged."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import close_old_connections

from celery_jobman.models import Batch, Job
from celery_jobman.states import FINAL, State
from tests.integration.injection import errors, scenes
from tests.integration.injection.family import Family, everybody, grown
from tests.integration.injection.injector import LASTING, TWICE, Case
from tests.integration.injection.world import HOURS, SECOND

if TYPE_CHECKING:
    from collections import Counter

    from tests.integration.injection.scenes import Act, Scene
    from tests.integration.injection.world import World

#: Turns, a second each, within which a bystander must have ended; a chord needs the most.
SOON: Final = 10
#: Turns of two hours in which what fails for good is tried again.
TRIED: Final = 3
#: Turns of two hours within which all pauses are over.
LATER: Final = 6


@dataclass(slots=True)
class Undisturbed:
    """What a scene does when nothing fails."""

    writes: list[str]
    subject: Counter[tuple[str, str, str]]
    bystander: Counter[tuple[str, str, str]]


@dataclass(slots=True)
class Trial:
    """One scene, once."""

    world: World
    scene: Scene
    case: Case | None = None
    found: list[str] = field(default_factory=list)
    raised: BaseException | None = None
    before: set[Any] = field(default_factory=set)
    bystanders: set[Any] = field(default_factory=set)

    # What happens.

    def play(self) -> Undisturbed:
        """Play the scene to its end; :attr:`found` says afterwards what was wrong."""
        world, injector = self.world, self.world.injector
        injector.begin(self.case)
        with injector.looking_away():
            world.clear()
            scenes.broken.clear()
            injector.neutral.add(world.me.worker_id.hex)
            subject = self._prepared("subject")
            first = everybody()
            bystander = self._prepared("bystander")
            self._spare(everybody() - first)
        self._act(subject)
        self._let_the_bystander_act(bystander)
        if self.raised is not None and self.case and not self._is_lasting():
            self._act_until_it_can_be(subject)
        if self._may_be_judged():
            self._expect_the_bystander()
        world.until(self._has_ended, step=HOURS, turns=TRIED if self._is_lasting() else LATER)
        if self._is_lasting():
            self._expect_a_reason()
            injector.repair()
            if self.raised is not None:
                self._act_again(subject)
            world.until(self._has_ended, step=HOURS, turns=LATER)
        world.turn()
        self._expect_an_end()
        return Undisturbed(list(injector.seen), self.subject.ends(), self.bystander.ends())

    def _prepared(self, name: str) -> Act:
        act: Act = self.scene.prepare(self.world, name)
        return act

    def _spare(self, ids: set[Any]) -> None:
        self.bystanders = grown(self.bystanders | ids)
        self.world.injector.spared |= {each.hex for each in self.bystanders}

    def _act(self, act: Act) -> None:
        before = Family(everybody()).snapshot()
        self.raised = None
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - whoever asks is told
            self.raised = error
        close_old_connections()
        if self.raised is not None:
            if not self.scene.is_asked:
                self.found.append(f"raised {self.raised!r}")
            elif not self.scene.deletes and Family(everybody()).snapshot() != before:
                self.found.append(f"raised {self.raised!r}, and something was written")

    def _act_until_it_can_be(self, act: Act) -> None:
        if self.case is not None and self.case.mode == TWICE:
            self._act(act)
        if self.raised is not None:
            self._act_again(act)

    def _act_again(self, act: Act) -> None:
        self._act(act)
        if self.raised is not None:
            self.found.append(f"raised {self.raised!r} when nothing failed any more")

    def _let_the_bystander_act(self, act: Act) -> None:
        with self.world.injector.looking_away():
            before = everybody()
            with suppress(Exception):
                act()
            close_old_connections()
            self._spare(everybody() - before)

    # What is expected.

    @property
    def subject(self) -> Family:
        self.bystanders = grown(self.bystanders)
        return Family(everybody() - self.bystanders)

    @property
    def bystander(self) -> Family:
        self.bystanders = grown(self.bystanders)
        return Family(self.bystanders)

    def _is_lasting(self) -> bool:
        return self.case is not None and self.case.mode in LASTING

    def _may_be_judged(self) -> bool:
        """Whether others go on: a database that is away for good lets everybody wait."""
        return not (self._is_lasting() and self.case and self.case.kind == errors.OUTAGE)

    def _has_ended(self) -> bool:
        rows = Job.objects.all() if self.scene.deletes else Job.objects.exclude(state__in=FINAL)
        return not (rows.exists() or Batch.objects.unfinished().exists())

    def _ended(self, family: Family) -> bool:
        if self.scene.deletes:
            return not family.jobs
        return family.has_ended()

    def _expect_the_bystander(self) -> None:
        def is_through() -> bool:
            return self._has_ended() or self._ended(self.bystander)

        if not self.world.until(is_through, step=SECOND, turns=SOON):
            self.found.append(f"a bystander waits: {self.bystander.left()}")

    def _expect_a_reason(self) -> None:
        assert self.case is not None
        if self._ended(self.subject) or self.raised is not None:
            return
        if self.case.kind not in errors.REFUSALS:
            return
        if not self.subject.says_why(self.world.now()):
            self.found.append(f"nothing says why: {self.subject.left()}")
        held = [job for job in self.subject.jobs if job.state == State.RUNNING]
        if held and not self.world.injector.is_a_move():
            self.found.append(f"it runs, though only a part of its end is refused: {held}")

    def _expect_an_end(self) -> None:
        if self.scene.deletes:
            if not self._has_ended():
                self.found.append("rows are left")
            return
        self.found += self.subject.faults()
        self.found += [f"bystander: {each}" for each in self.bystander.faults()]
