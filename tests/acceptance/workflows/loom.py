"""The loom: workflows woven at the same time on one stack, until nothing goes on in any."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance import deeds
from tests.acceptance.workflows.events import GO, LET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.acceptance.gates import Gate
    from tests.acceptance.projects import Project
    from tests.acceptance.workflows.cases import Case

#: Workflows that are woven at the same time.
AT_ONCE: Final = 300
#: Of these, parts that run until they are stopped: fewer than there are processes, or nothing
#: else would go on.
MARCHING: Final = 5
#: Seconds in which they have to end, on a machine that does much else.
PATIENCE: Final = 300
#: Looks at a workflow in which nothing goes on, after which its gate is taken for missed: the
#: keeper of a worker was first, and did what the process was to be killed at.
MISSED_AFTER: Final = 10
#: How often a workflow is woven whose gate was missed.
TRIES: Final = 4
#: Seconds between two looks.
PAUSE: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Thread:
    """One workflow, and what is still to be done to it."""

    case: Case
    root: str
    #: Of its parts by their names, and of its batches by their paths.
    ids: dict[str, str]
    to_do: deque[str]
    #: Where its process is to be killed.
    gate: Gate | None

    @property
    def part(self) -> str:
        return self.ids[self.case.part]

    @property
    def batch(self) -> str:
        return self.ids[self.case.batch]

    @property
    def next(self) -> str:
        return self.to_do[0] if self.to_do else ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What has become of one workflow."""

    parts: dict[str, dict[str, Any]]
    batches: dict[str, dict[str, Any]]
    #: What its parts and callbacks did, in order.
    done: list[dict[str, Any]]
    #: A process was killed at its gate.
    was_killed: bool = False

    @property
    def states(self) -> dict[str, str]:
        """The state of each part by its name, and of each batch by its path in brackets."""
        parts = {name: row["state"] for name, row in self.parts.items()}
        return parts | {f"[{path}]": row["state"] for path, row in self.batches.items()}

    def check_counts(self) -> None:
        """Count the rows, and compare with what the batches say."""
        rows: list[dict[str, Any]] = [*self.parts.values(), *self.batches.values()]
        for batch in self.batches.values():
            ends = Counter(row["state"] for row in rows if row["batch_id"] == batch["id"])
            said = ("succeeded", "failed", "cancelled", "skipped")
            assert {state: batch[state] for state in said} == {state: ends[state] for state in said}
            assert (batch["total"], batch["pending"]) == (ends.total(), 0)
            assert batch["finishes"] == self.told()[batch["name"].rpartition(":")[2]]["finally"]

    def given(self) -> dict[str, list[list[Any]]]:
        """Return what each part was given, each time it was begun."""
        found = defaultdict(list)
        for deed in self.done:
            if "tag" in deed:
                found[deed["tag"].rpartition(".")[2]].append(deed["given"])
        return dict(found)

    def told(self) -> dict[str, Counter[str]]:
        """Count which callbacks each batch had."""
        found = defaultdict[str, Counter[str]](Counter)
        for deed in self.callbacks():
            found[deed["batch"].rpartition(":")[2]][deed["role"]] += 1
        return dict(found)

    def callbacks(self) -> list[dict[str, Any]]:
        """Return what callbacks did."""
        return [deed for deed in self.done if "role" in deed]


class Loom:
    """Weaves the cases of a ground; tells in the end what has become of each."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.outcomes: dict[str, Outcome] = {}
        self._numbers = count()

    def weave(self, cases: Sequence[Case]) -> None:
        """Play all cases."""
        for some in slices(cases):
            left = some
            for _ in range(TRIES):
                left = self._weave(left)
                if not left:
                    break

    def _weave(self, cases: Sequence[Case]) -> list[Case]:
        """Play some cases, and return those whose gates were missed."""
        late = f"{self.project.queue}-late{next(self._numbers)}"
        threads = self._begin(cases, late)
        Pursuit(self.project, threads, late).follow()
        self._read(threads)
        gated = [case for case in cases if case.event.killed_at]
        return [case.again() for case in gated if not self.outcomes[case.key].was_killed]

    def _arm(self, case: Case) -> Gate | None:
        event = case.event
        if not event.killed_at:
            return None
        return self.project.arm(case.tag, event.killed_at, after=event.after)

    def _begin(self, cases: Sequence[Case], late: str) -> list[Thread]:
        gates = [self._arm(case) for case in cases]
        plans = [case.plan(self.project.queue, late) for case in cases]
        roots: list[str] = self.project.driver.call("weave_all", plans)
        books = self.project.driver.call("books", roots)
        return [
            Thread(
                case=case,
                root=root,
                ids=_ids(books[root]),
                to_do=deque(case.event.deeds),
                gate=gate,
            )
            for case, root, gate in zip(cases, roots, gates, strict=True)
        ]

    def _read(self, threads: Sequence[Thread]) -> None:
        found = read(self.project, {thread.case.name: thread.root for thread in threads})
        for thread in threads:
            killed = thread.gate is not None and thread.gate.is_held
            self.outcomes[thread.case.key] = replace(found[thread.case.name], was_killed=killed)


def slices(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Yield as many cases at a time as can go on beside one another."""
    some: list[Case] = []
    for case in cases:
        marching = sum(each.marches for each in some)
        if len(some) == AT_ONCE or marching + case.marches > MARCHING:
            yield some
            some = []
        some.append(case)
    yield some


def read(project: Project, roots: dict[str, str]) -> dict[str, Outcome]:
    """Return what has become of workflows, by their keys."""
    books = project.driver.call("books", [*roots.values()])
    done = defaultdict(list)
    for deed in deeds.noted(project.folder):
        name = deed["tag"] if "tag" in deed else deed["batch"]
        done[name.replace(":", ".").partition(".")[0]].append(deed)
    return {key: Outcome(**books[root], done=done[key]) for key, root in roots.items()}


def _ids(book: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: row["id"] for kind in book.values() for name, row in kind.items()}


class Pursuit:
    """Does to each workflow what is to be done, as soon as nothing goes on in it."""

    def __init__(self, project: Project, threads: Sequence[Thread], late: str) -> None:
        self.project = project
        self.left = [*threads]
        self.late = late
        self.gates = [thread.gate for thread in threads if thread.gate]
        self.idle = Counter[str]()

    def follow(self) -> None:
        """Go on until all have ended, or patience has: the books tell which have not."""
        deadline = time.monotonic() + PATIENCE
        while not self._look() and time.monotonic() < deadline:
            time.sleep(PAUSE)

    def _look(self) -> bool:
        self._kill()
        roots = [thread.root for thread in self.left]
        marching = [each.part for each in self.left if each.case.marches and each.to_do]
        busy = set(self.project.driver.call("busy", roots, self.late, marching))
        for thread in [each for each in self.left if each.root not in busy]:
            self._go_on(thread)
        if self.left and all(thread.next == LET for thread in self.left):
            self._let_the_late_begin()
        return not self.left

    def _kill(self) -> None:
        for gate in [gate for gate in self.gates if gate.is_held]:
            with suppress(ProcessLookupError):  # it has died by itself: the books will tell
                os.kill(gate.pid, signal.SIGKILL)
            self.gates.remove(gate)

    def _go_on(self, thread: Thread) -> None:
        if thread.to_do and thread.next != LET:
            self._do(thread.to_do.popleft(), thread)
        elif not thread.to_do and thread.gate not in self.gates:
            self.left.remove(thread)
        elif not thread.to_do:
            self._wait_at(thread)

    def _wait_at(self, thread: Thread) -> None:
        """Give a gate up that nobody comes to though nothing is left to happen."""
        self.idle[thread.root] += 1
        if thread.gate and self.idle[thread.root] == MISSED_AFTER:
            thread.gate.release()
            self.gates.remove(thread.gate)

    def _let_the_late_begin(self) -> None:
        self.project.driver.call("consume", self.late)
        self.late = ""
        for thread in self.left:
            thread.to_do.popleft()

    def _do(self, deed: str, thread: Thread) -> None:
        driver, part = self.project.driver, thread.part
        {
            GO: lambda: driver.call("put_off", part, 0),
            "retry it": lambda: driver.call("act", "retry", part),
            "retry what failed": lambda: driver.call("retry_failed", thread.root),
            "cancel it": lambda: driver.call("act", "cancel", part),
            "cancel its batch": lambda: driver.call("act", "cancel_batch", thread.batch),
            "cancel the whole": lambda: driver.call("act", "cancel_batch", thread.root),
        }[deed]()
