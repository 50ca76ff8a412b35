"""Sides: who plays a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.acceptance.oracle import trees

if TYPE_CHECKING:
    from tests.acceptance.oracle.trees import Tree

#: By its name: which tasks a side is made of.
SIDES: Final = {
    "celery": "plain",  # Celery's canvas of plain tasks: the oracle
    "jobs": "job",  # Celery's canvas of jobs
    "ours": "job",  # our chain, group and chord
    "read": "job",  # Celery's canvas, dispatched as ours
    "mixed": "job",  # ours, with Celery's canvas in it
}
#: Those to which Celery's canvas is the law; to the others, as :mod:`known` reads it.
CELERYS: Final = ("celery", "jobs")


def suits(side: str, tree: Tree) -> bool:
    """Whether a side can compose a tree: a flow of ours has no callbacks of Celery's."""
    is_written_as_ours = side in {"ours", "mixed"}
    wholes = (each for each in trees.subtrees(tree) if each["kind"] != "task")
    return not (is_written_as_ours and any(trees.callbacks_of(each) for each in wholes))
