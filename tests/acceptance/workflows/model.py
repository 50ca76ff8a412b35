"""A small model of what becomes of a workflow, by the rules and without the product.

It knows no time: whatever may run has run, except for what is held.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.acceptance.workflows.shapes import Shape

#: Kinds that have one element, whose value is theirs.
SEQUENCES: Final = ("chain", "chord")


@dataclass(eq=False, slots=True)
class Link:
    """A part, or a batch: what the rules say of both."""

    name: str
    around: Batch | None = None
    before: Link | None = None
    after: Link | None = None
    state: str = ""
    is_excused: bool = False

    @property
    def is_well(self) -> bool:
        """Whether what follows may begin."""
        return self.state == "succeeded" or (self.state == "failed" and self.is_excused)

    @property
    def may_begin(self) -> bool:
        if self.state or (self.before is not None and not self.before.is_well):
            return False
        return self.around is None or self.around.may_begin

    @property
    def value(self) -> Any:
        """What it passes on."""
        raise NotImplementedError

    @property
    def source(self) -> Link | None:
        """Whose value it is given, if it begins with one."""
        if self.before is not None or self.around is None:
            return self.before
        return self.around.source


@dataclass(eq=False, slots=True)
class Part(Link):
    #: It has no result although it succeeded.
    is_skipping: bool = False

    @property
    def given(self) -> list[Any]:
        return [] if self.source is None else [self.source.value]

    @property
    def value(self) -> Any:
        if self.state == "succeeded":
            return None if self.is_skipping else self.name
        return self.given[0] if self.is_well and self.given else None


@dataclass(eq=False, slots=True)
class Batch(Link):
    kind: str = "batch"
    elements: list[list[Link]] = field(default_factory=list)
    allowance: int = 0
    is_cancelled: bool = False
    #: A failure that is not excused has happened since it was opened.
    has_caught: bool = False
    told: Counter[str] = field(default_factory=Counter)

    @property
    def members(self) -> list[Link]:
        return [link for element in self.elements for link in element]

    @property
    def value(self) -> Any:
        if self.state != "succeeded":
            return None
        values = [element[-1].value for element in self.elements]
        return values[0] if self.kind in SEQUENCES else values

    @property
    def failures(self) -> int:
        return sum(link.state == "failed" and not link.is_excused for link in self.members)

    @property
    def verdict(self) -> str:
        if self.is_cancelled:
            return "cancelled"
        if self.failures > self.allowance:
            return "failed"
        return "cancelled" if any(m.state == "cancelled" for m in self.members) else "succeeded"


class World:
    """A workflow and what has become of it."""

    def __init__(self, shape: Shape) -> None:
        self.parts: dict[str, Part] = {}
        self.batches: dict[str, Batch] = {}
        self.root = self._batch(shape, "", links_of_sequences=True)

    # Reading a shape ------------------------------------------------------------------------

    def _batch(self, shape: Shape, path: str, *, links_of_sequences: bool = False) -> Batch:
        kind, *inner = shape
        batch = self.batches[path] = Batch(path, kind=kind)
        if links_of_sequences and kind in SEQUENCES:
            batch.elements = [self._sequence(shape, path)]
        else:
            batch.elements = [self._links(each, f"{path}{n}") for n, each in enumerate(inner)]
        self._join(batch)
        return batch

    def _links(self, shape: Any, path: str) -> list[Link]:
        if isinstance(shape, str):
            part = self.parts[shape] = Part(shape)
            return [part]
        return self._sequence(shape, path) if shape[0] in SEQUENCES else [self._batch(shape, path)]

    def _sequence(self, shape: Shape, path: str) -> list[Link]:
        kind, *inner = shape
        links = [self._links(each, f"{path}{number}") for number, each in enumerate(inner)]
        if kind == "chain":
            return [link for each in links for link in each]
        header = self.batches[f"{path}h"] = Batch(f"{path}h", kind="group", elements=links[:-1])
        self._join(header)
        return [header, *links[-1]]

    def _join(self, batch: Batch) -> None:
        for element in batch.elements:
            for before, after in pairwise(element):
                before.after, after.before = after, before
            for link in element:
                link.around = batch

    # What happens ---------------------------------------------------------------------------

    def run(self, held: Collection[str] = ()) -> None:
        """Let everything end that can, but for the parts that are held, and what needs them."""
        while ready := self._ready(held):
            for link in ready:
                if link.may_begin:
                    self._close(link) if isinstance(link, Batch) else self.end(link, "succeeded")

    def _ready(self, held: Collection[str]) -> list[Link]:
        parts = [part for part in self.parts.values() if part.name not in held]
        empty = [batch for batch in self.batches.values() if not batch.members]
        return [link for link in (*parts, *empty) if link.may_begin]

    def end(self, link: Link, state: str) -> None:
        """Let a link end, with what follows from that."""
        link.state = state
        if not link.is_well:
            self._stop(_after(link), "skipped")
        batch = link.around
        if batch is None:
            return
        if state == "failed" and not link.is_excused:
            batch.told["catch"] += not batch.has_caught
            batch.has_caught = True
            if batch.kind == "batch" and batch.failures > batch.allowance:
                self._stop(batch.members, "cancelled")
        self._close(batch)

    def cancel(self, batch: Batch) -> None:
        """Cancel what has not ended in a batch."""
        batch.is_cancelled = True
        self._stop(batch.members, "cancelled")
        self._close(batch)

    def _stop(self, links: Collection[Link], state: str) -> None:
        for link in links:
            if not link.state:
                link.state = state
                if isinstance(link, Batch):
                    self._stop(link.members, state)
                    link.told["finally"] += 1

    def _close(self, batch: Batch) -> None:
        if batch.state or not all(link.state for link in batch.members):
            return
        verdict = batch.verdict
        batch.told["then"] += verdict == "succeeded"
        batch.told["finally"] += 1
        self.end(batch, verdict)

    def retry(self) -> None:
        """Open everything again that has not ended well, as if it had not begun."""
        for link in (*self.parts.values(), *self.batches.values()):
            if not link.is_well:
                link.state = ""
            if isinstance(link, Batch):
                link.is_cancelled = link.has_caught = False
        self.run()

    def beside(self, part: Part) -> set[str]:
        """Return the parts that a failure of this one cancels if they have not begun.

        Whatever else there is has to end before it does that.
        """
        found: set[str] = set()
        for link in _around(part):
            if link.around is not None and link.around.kind == "batch":
                own = {link, *_before(link), *_after(link)}
                found |= {
                    name for other in link.around.members if other not in own for name in _in(other)
                }
        return found


def _around(link: Link) -> Iterator[Link]:
    yield link
    if link.around is not None:
        yield from _around(link.around)


def _before(link: Link) -> list[Link]:
    return [] if link.before is None else [link.before, *_before(link.before)]


def _after(link: Link) -> list[Link]:
    return [] if link.after is None else [link.after, *_after(link.after)]


def _in(link: Link) -> list[str]:
    if isinstance(link, Part):
        return [link.name]
    assert isinstance(link, Batch)
    return [name for member in link.members for name in _in(member)]
