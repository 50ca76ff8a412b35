"""Comparing: what two sides made of the same workflow, node by node."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.oracle import trees

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.oracle.trees import Tree

#: What ends a call, besides ``end``.
ENDS: Final = {"fail", "ignore", "reject", "retry", "replace", "end"}
#: A clock may be so many seconds wrong.
SLACK: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that two sides did not do alike."""

    #: ``refused``, ``calls``, ``given``, ``end``, ``options``, ``order``, ``result``, or ``row``.
    kind: str
    #: The node's name, with the option after a colon; empty: the whole.
    node: str
    celery: Any
    ours: Any

    def __str__(self) -> str:
        where = f" of {self.node}" if self.node else ""
        return f"{self.kind}{where}: Celery {self.celery!r}, ours {self.ours!r}"


@dataclass(frozen=True)
class Account:
    """What became of one run."""

    tree: Tree
    outcome: dict[str, Any]

    @cached_property
    def calls(self) -> dict[str, list[dict[str, Any]]]:
        """The calls of each node, in order."""
        found = defaultdict(list)
        for number, line in enumerate(self.outcome["calls"]):
            found[line["node"]].append({**line, "number": number})
        return dict(found)

    def begins(self, node: str) -> list[dict[str, Any]]:
        return [line for line in self.calls.get(node, ()) if line["what"] == "begin"]

    def given(self, node: str) -> list[str]:
        """Return what a node was given, call by call, in no order."""
        return sorted(json.dumps(line["given"]) for line in self.begins(node))

    def end(self, node: str) -> str:
        """Return how a node ended last: empty if it was never called."""
        ends = [line["what"] for line in self.calls.get(node, ()) if line["what"] in ENDS]
        return ends[-1] if ends else ""

    def options(self, node: str) -> dict[str, Any]:
        """Return what became of the options of the first call of a node."""
        begins = self.begins(node)
        return dict(begins[0].get("options", {})) if begins else {}

    @cached_property
    def results(self) -> list[list[Any]]:
        """What the result backend says of the last tasks: a state and a value of each."""
        return list(_leaves(self.outcome["result"]))

    def span(self, tree: Tree) -> tuple[float, float]:
        """Return the first beginning and the last end in a tree, as numbers of lines."""
        lines = [line for each in trees.tasks_of(tree) for line in self.calls.get(each["name"], ())]
        first = [line["number"] for line in lines if line["what"] == "begin"]
        last = [line["number"] for line in lines if line["what"] in ENDS]
        return min(first, default=float("inf")), max(last, default=-1.0)

    @cached_property
    def disorder(self) -> list[str]:
        """What began before that had ended which it follows, and what began too early."""
        return sorted({*self._early_links(), *self._early_callbacks(), *self._hasty()})

    def _early_links(self) -> Iterator[str]:
        for before, after in _sequences(self.tree):
            last = max((self.span(part)[1] for part in before), default=-1.0)
            if self.span(after)[0] < last:
                yield f"{trees.written(after)} before the end of what it follows"

    def _early_callbacks(self) -> Iterator[str]:
        for node in trees.nodes_of(self.tree):
            lines = self.calls.get(node["name"], ())
            end = max((line["number"] for line in lines if line["what"] in ENDS), default=-1.0)
            for callback in trees.callbacks_of(node):
                if self.span(callback)[0] < end:
                    yield f"{trees.written(callback)} before the end of {node['name']}"

    def _hasty(self) -> Iterator[str]:
        """Yield nodes that did not wait for their countdown since the last thing before them."""
        for node in trees.nodes_of(self.tree):
            asked, begins = node.get("options", {}), self.begins(node["name"])
            ready = self._ready(node) + asked.get("countdown", 0) - SLACK
            eta = 0 if "countdown" in asked else asked.get("eta", 0)  # Celery's countdown wins
            moment = self.outcome["began"] + eta - SLACK
            if begins and begins[0]["at"] < max(ready, moment):
                yield f"{node['name']} too early"

    def _ready(self, node: Tree) -> float:
        """Return when a node could have begun at the earliest, but for its options."""
        moments: list[float] = [self.outcome["began"]]
        for before, after in _sequences(self.tree):
            if node in trees.firsts_of(after):
                moments += [self._ended(part) for part in before]
        for caller in trees.nodes_of(self.tree):
            if any(node in trees.firsts_of(each) for each in caller.get("link", ())):
                moments.append(self._ended(caller))
        return max(moments)

    def _ended(self, tree: Tree) -> float:
        lines = [line for each in trees.tasks_of(tree) for line in self.calls.get(each["name"], ())]
        return max((line["at"] for line in lines if line["what"] in ENDS), default=0.0)


def _leaves(result: Any) -> Iterator[list[Any]]:
    if result and isinstance(result[0], str):
        yield result
    else:
        for each in result or ():
            yield from _leaves(each)


def _sequences(tree: Tree) -> Iterator[tuple[list[Tree], Tree]]:
    """Yield what comes directly after what in a tree, and in all that hangs on it."""
    for each in trees.everything(tree):
        parts = each.get("parts", [])
        if each["kind"] == "chain":
            yield from (([before], after) for before, after in pairwise(parts))
        if each["kind"] == "chord":
            yield parts[:-1], parts[-1]


def differences(celery: Account, ours: Account) -> list[Difference]:
    """Return what two runs of a workflow did not do alike, the gravest first."""
    one, other = celery.outcome["refused"], ours.outcome["refused"]
    if one != other:
        return [Difference(kind="refused", node="", celery=one, ours=other)]
    return list(_differences(celery, ours))


def _differences(celery: Account, ours: Account) -> Iterator[Difference]:
    for node in trees.nodes_of(celery.tree):
        yield from _of_node(node["name"], celery, ours)
    if celery.disorder != ours.disorder:
        yield Difference(kind="order", node="", celery=celery.disorder, ours=ours.disorder)
    if celery.outcome["result"] != ours.outcome["result"]:
        one, other = celery.outcome["result"], ours.outcome["result"]
        yield Difference(kind="result", node="", celery=one, ours=other)


#: What the row of a job says in the end, by how its last call ended; "" is no call.
ROWS: Final = {
    "": {"skipped", "cancelled"},
    "end": {"succeeded"},
    "ignore": {"succeeded", "cancelled"},
    "replace": {"succeeded", "failed"},  # nothing can be replaced by an empty chain
    "fail": {"failed"},
    "reject": {"failed"},
}


def misrecorded(ours: Account, *, may_wait: bool = False) -> list[Difference]:
    """Return where the rows of a workflow of ours are not what its calls came to.

    Args:
        ours: What became of it.
        may_wait: What Celery never calls may stay blocked, for Celery counts.
    """
    return [
        Difference(kind="row", node=node, celery=ours.end(node), ours=state)
        for node, state in ours.outcome["rows"].items()
        if state not in ROWS[ours.end(node)]
        and not (may_wait and state == "blocked" and not ours.end(node))
    ]


def _of_node(name: str, celery: Account, ours: Account) -> Iterator[Difference]:
    one, other = len(celery.begins(name)), len(ours.begins(name))
    if one != other:
        yield Difference(kind="calls", node=name, celery=one, ours=other)
        return
    if celery.given(name) != ours.given(name):
        yield Difference(kind="given", node=name, celery=celery.given(name), ours=ours.given(name))
    if celery.end(name) != ours.end(name):
        yield Difference(kind="end", node=name, celery=celery.end(name), ours=ours.end(name))
    theirs, own = celery.options(name), ours.options(name)
    for option in sorted(theirs.keys() & own.keys()):
        if theirs[option] != own[option]:
            yield Difference(
                kind="options", node=f"{name}:{option}", celery=theirs[option], ours=own[option]
            )
