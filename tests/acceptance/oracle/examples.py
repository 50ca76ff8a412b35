"""Small workflows that show, each, one thing in which ours differs from Celery's canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.acceptance.oracle.trees import chain, chord, group, task

if TYPE_CHECKING:
    from tests.acceptance.oracle.trees import Tree

#: By words of the documentation: what Celery makes of these, ours makes of another reading.
READ: Final[dict[str, Tree]] = {
    "A group in a group is one member of it": chain(
        group(task("t1"), group(task("t2"), task("t3"))), task("t4", "echo")
    ),
    "A group of one member passes on a list": chain(
        task("t1"), group(task("t2")), task("t3", "echo")
    ),
    "An empty group is a link": chain(task("t1"), group(), task("t2", "echo")),
    "The arguments of a call reach a group with which a chain begins": chain(
        group(task("t1", "echo"), task("t2", "echo")), given=["x"]
    ),
    "and so does the result of a header": chord(
        task("t1"), chain(group(task("t2", "echo"), task("t3", "echo")))
    ),
}
#: By words of the documentation: these end otherwise.
ENDED: Final[dict[str, Tree]] = {
    "The result of a link that was skipped": chain(task("t1", "fail"), task("t2")),
    "of a member that raised `Ignore` is a revoke": group(task("t1", "ignore"), task("t2")),
    "The error callbacks of a body are not called when its header fails": chord(
        task("t1", "fail"), task("t2"), task("t3", link_error=[task("t4", "told")])
    ),
    "Options of the whole are those of every member that does not choose its own": chain(
        task("t1"), task("t2"), options={"priority": 6}
    ),
    "The own options of a task always count": chain(
        task("t1"), group(task("t2"), task("t3")), task("t4", options={"priority": 9})
    ),
    "and so do its own callbacks": chain(
        group(task("t1", link=[task("t2")]), task("t3")), link=[task("t4")]
    ),
    "A stand-in has the task id of the task that it replaces": chain(
        task("t1", "replace", by=task("t2", options={"task_id": "own"}))
    ),
    "Where a chord comes before that group, Celery's has none": chain(
        task("t1", "replace", by=chord(task("t2"), group(task("t3"), task("t4"))))
    ),
    "Celery calls a chord there once for each": chain(
        chord(task("t1"), group(task("t2"), task("t3"))), chord(task("t4"), task("t5", "int"))
    ),
    "it does not hang": chord(
        chain(group(chord(task("t1"), task("t2")), task("t3"))), task("t4"), task("t5")
    ),
    "Celery refuses some workflows with an empty chain": chord(chain(chain()), task("t1")),
    "It refuses a chord whose body has a group with a chord": chord(
        task("t1"),
        chain(
            task("t2"),
            group(chord(task("t3"), task("t4")), task("t5")),
            group(task("t6"), task("t7")),
        ),
    ),
}
#: What :mod:`planted` does, and what the oracle must see of it.
PLANTED: Final[dict[str, tuple[str, Tree]]] = {
    "results in the wrong order": ("given", chord(task("t1"), task("t2"), task("t3", "echo"))),
    "null after a replace": (
        "given",
        chain(task("t1", "replace", by=task("t2")), task("t3", "echo")),
    ),
    "a chain that goes on after a failure": ("calls", chain(task("t1", "fail"), task("t2"))),
    "a lost option": ("options", group(task("t1", options={"priority": 9}), task("t2"))),
}
