"""Faults of ours that the oracle has found and that are open: none of them is a difference to name.

Each has a workflow that shows it, in a test that is expected to fail and complains once it does
not; then the fault is taken out of here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.acceptance.oracle import trees
from tests.acceptance.oracle.trees import chain, group, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.oracle.asking import Question
    from tests.acceptance.oracle.trees import Tree

#: By what is wrong: a side and a workflow that show it.
FAULTS: Final[dict[str, tuple[str, Tree]]] = {
    "the result of a task that a group replaced is never there": (
        "ours",
        group(task("t1", "replace", by=group(task("t2"), task("t3"))), task("t4")),
    ),
    "a task with a callback cannot be replaced by a group": (
        "ours",
        chain(task("t1", "replace", by=group(task("t2"), task("t3")), link=[task("t4")])),
    ),
}


def is_open(found: Question) -> bool:
    """Whether a disagreement is no more than a fault that is open."""
    return all(any(each(found, kind) for each in _SEEN) for kind in found.kinds)


def _is_group_for_a_task(found: Question, kind: str) -> bool:
    return kind == "result" and any(
        each.get("by", {}).get("kind") == "group" for each in trees.lasts_of(found.tree)
    )


def _is_group_for_a_task_with_a_callback(found: Question, _kind: str) -> bool:
    return any(
        "link" in each and each.get("by", {}).get("kind") == "group"
        for each in trees.tasks_of(found.tree)
    )


_SEEN: Final[tuple[Callable[[Question, str], bool], ...]] = (
    _is_group_for_a_task,
    _is_group_for_a_task_with_a_callback,
)
