"""What happens to one part of a workflow, and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.acceptance.workflows.model import Part, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happens, always in the same order with what happens beside it."""

    name: str
    #: What the part does in each attempt; see :mod:`tests.acceptance.project.parts`.
    acts: tuple[str, ...]
    #: What a person does each time nothing goes on any more.
    deeds: tuple[str, ...] = ()
    #: How the part's attempts end.
    outcomes: tuple[str, ...]
    #: Everything that the failure cancels waits for a worker, and has not begun.
    is_first: bool = False
    #: The failure is allowed: to the link, or to its batch.
    allowed_to: str = ""
    #: Its process is killed at this moment, which it passes so often before.
    killed_at: str = ""
    after: int = 0

    def applies(self, world: World, part: Part) -> bool:
        """Whether it has a meaning for a part."""
        batch = part.around
        if self.is_first and not world.beside(part):
            return False
        if self.allowed_to == "batch":
            return batch is not None and batch.kind == "batch"
        return "cancel its batch" not in self.deeds or batch is not world.root


def _event(
    name: str, acts: str, outcomes: str, *deeds: str, first: bool = False, allowed_to: str = ""
) -> Event:
    return Event(
        name=name,
        acts=tuple(acts.split()),
        outcomes=tuple(outcomes.split()),
        deeds=deeds,
        is_first=first,
        allowed_to=allowed_to,
    )


GO: Final = "let it go on"
LET: Final = "let the others begin"
FIRST: Final = "failure before the others"
AGAIN: Final = "released failed succeeded"

EVENTS: Final = (
    _event("nothing", "", "succeeded"),
    _event("skip", "skip", "succeeded"),
    _event("release", "release", "released succeeded"),
    _event("another attempt", "raise", "failed succeeded"),
    _event("kill", "die", "lost succeeded"),
    _event("failure", "park fail", "released failed", GO),
    _event(FIRST, "park fail", "released failed", GO, first=True),
    _event("failure that is allowed to it", "fail", "failed", allowed_to="link"),
    _event("failure that is allowed to its batch", "fail", "failed", allowed_to="batch"),
    _event("retry", "park fail pass", AGAIN, GO, "retry it"),
    _event("retry of what failed", "park fail pass", AGAIN, GO, "retry what failed"),
    _event(f"retry after a {FIRST}", "park fail pass", AGAIN, GO, LET, "retry it", first=True),
    _event("cancel", "park", "released", "cancel it"),
    _event("cancel while it runs", "march", "cancelled", "cancel it"),
    _event("retry after a cancel", "park pass", "released succeeded", "cancel it", "retry it"),
    _event("cancel of its batch", "park", "released", "cancel its batch"),
    _event("cancel of the whole", "park", "released", "cancel the whole"),
)


def _death(moment: str, outcomes: str, after: int = 0) -> Event:
    name = f"kill at {moment} {after or ''}".strip()
    return Event(
        name=name, acts=(), outcomes=tuple(outcomes.split()), killed_at=moment, after=after
    )


def _death_of_a_failure(moment: str, acts: str = "park fail", outcomes: str = "") -> Event:
    name = f"kill at {moment} of a {FIRST}"
    how = _event(name, acts, outcomes or "released failed", GO, first=True)
    return replace(how, killed_at=moment)


ROLLED_BACK: Final = "lost succeeded"
WRITTEN: Final = "succeeded"

#: Between the end of a part and what follows it: in which shape, of which part, at which moment.
DEATHS: Final = (
    # a is followed by a batch: its members are to be released.
    *(
        ("a batch of one in a chain", "a", event)
        for event in (
            _death("finishing", ROLLED_BACK),
            _death("member counted", ROLLED_BACK),
            _death("hint", WRITTEN),
            _death("members released", WRITTEN),
            _death("slice done", WRITTEN),
            _death("queued", WRITTEN),
            _death("published", WRITTEN),
            _death("finished", WRITTEN),
        )
    ),
    # b is the last of a batch: that one's callbacks follow, and c.
    *(
        ("a batch of one in a chain", "b", event)
        for event in (
            _death("member counted", ROLLED_BACK),
            _death("batch closed", ROLLED_BACK),
            _death("member counted", ROLLED_BACK, after=1),
            _death("hint", WRITTEN),
            _death("hint", WRITTEN, after=1),
            _death("hint", WRITTEN, after=2),
            _death("queued", WRITTEN, after=1),
        )
    ),
    # c is the last of the workflow: its callbacks follow.
    *(
        ("a batch of one in a chain", "c", event)
        for event in (
            _death("batch closed", ROLLED_BACK),
            _death("hint", WRITTEN),
            _death("hint", WRITTEN, after=1),
            _death("queued", WRITTEN),
        )
    ),
    # The failure of b lets its batch end what waits, and skips what follows.
    *(
        ("a chain waiting behind a batch", "a", event)
        for event in (
            _death_of_a_failure("member counted", "park fail fail", "released lost failed"),
            _death_of_a_failure("hint"),
            _death_of_a_failure("members ended"),
            _death_of_a_failure("slice done"),
            _death_of_a_failure("batch closed"),
        )
    ),
)


def happen(event: Event, world: World, part: Part) -> None:
    """Let a model go through an event."""
    part.is_skipping = "skip" in event.acts
    part.is_excused = event.allowed_to == "link"
    if event.allowed_to == "batch" and part.around is not None:
        part.around.allowance = 1
    world.run(held={part.name, *(world.beside(part) if event.is_first else ())})
    if event.deeds[:1] == ("cancel the whole",):
        world.cancel(world.root)
    elif event.deeds[:1] == ("cancel its batch",):
        assert part.around is not None
        world.cancel(part.around)
    else:
        world.end(part, _end_of_first_run(event))
    world.run()
    if any(deed.startswith("retry") for deed in event.deeds):
        world.retry()


def _end_of_first_run(event: Event) -> str:
    if event.deeds[:1] == ("cancel it",):
        return "cancelled"
    return "failed" if "fail" in event.acts else "succeeded"
