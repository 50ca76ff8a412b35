"""Faults of ours that the oracle has found and that are open: none of them is a difference to name.

Each has a workflow that shows it, in a test that is expected to fail and complains once it does
not; then the fault is taken out of here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.oracle.asking import Question
    from tests.acceptance.oracle.trees import Tree

#: By what is wrong: a side and a workflow that show it.
FAULTS: Final[dict[str, tuple[str, Tree]]] = {}


#: What is told by each of them, of a disagreement and one of its kinds.
_SEEN: Final[tuple[Callable[[Question, str], bool], ...]] = ()


def is_open(found: Question) -> bool:
    """Whether a disagreement is no more than a fault that is open."""
    return all(any(each(found, kind) for each in _SEEN) for kind in found.kinds)
