"""Known: where ours differs from Celery's canvas, each with the words in which the docs say so.

Two are ways to write a tree: what Celery makes of a workflow is what ours makes of another one,
which :func:`readings` yields.  The others explain one difference in what has happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.oracle import trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.acceptance.oracle.comparing import Account, Difference
    from tests.acceptance.oracle.trees import Tree

#: Groups of one member in a workflow that are read either way.
MOST: Final = 3


@dataclass(frozen=True, kw_only=True)
class Known:
    """A difference that the documentation names."""

    #: Of the documentation, and words of it.
    page: str
    sentence: str
    #: Whether it is this one; the accounts are Celery's and ours.
    explains: Callable[[Difference, Account, Account], bool]


def readings(tree: Tree) -> Iterator[Tree]:
    """Yield the workflows that ours may run as Celery runs ``tree``, the likeliest first.

    Whether Celery takes a group of one member for its member depends on what is around it.
    """
    number = sum(_is_one(each) for each in trees.everything(tree))
    for chosen in product((True, False), repeat=min(number, MOST)):
        yield _called(_read(tree, iter([*chosen, *[True] * number]), is_called=True))


def _called(tree: Tree) -> Tree:
    """Return a tree without the arguments that Celery does not pass on: a chain is but a group."""
    begin = tree
    while begin["kind"] == "chain" and len(begin["parts"]) == 1:
        begin = begin["parts"][0]
    is_lost = begin["kind"] == "group" and begin is not tree
    return {key: value for key, value in tree.items() if not (is_lost and key == "given")}


def _read(tree: Tree, unrolled: Iterator[bool], *, is_called: bool = False) -> Tree:
    if tree["kind"] == "task":
        return {**tree, "by": _read(tree["by"], unrolled)} if "by" in tree else tree
    parts = tree["parts"]
    if tree["kind"] == "group":
        parts = _flat(parts, is_called=is_called)
    elif tree["kind"] == "chord":
        parts = [*_flat(parts[:-1]), parts[-1]]
    else:
        parts = [_unrolled(part, unrolled) for part in parts]
    return {**tree, "parts": [_read(part, unrolled) for part in parts]}


def _is_one(tree: Tree) -> bool:
    return tree["kind"] == "group" and len(tree["parts"]) == 1


def _unrolled(part: Tree, unrolled: Iterator[bool]) -> Tree:
    """Return the member of a group that has but one, if that is how it is read."""
    while _is_one(part) and next(unrolled):
        part = part["parts"][0]
    return part


def _flat(parts: list[Tree], *, is_called: bool = False) -> list[Tree]:
    """Return the members of groups in a group as members of that.

    Where the outer group is not what was called, Celery turns their order round.
    """
    return [each for part in parts for each in _members(part, is_called)]


def _members(part: Tree, is_called: bool) -> Iterator[Tree]:  # noqa: FBT001 - of this module only
    if part["kind"] != "group":
        yield part
        return
    for each in part["parts"] if is_called else reversed(part["parts"]):
        yield from _members(each, is_called)


def _is_result_of_skipped(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery stores the failure of a link, or nothing, for those that never ran; ours a revoke."""
    if difference.kind != "result":
        return False
    return all(
        mine == its or (not ours.begins(node["name"]) and mine[:1] == ["REVOKED"])
        for its, mine, node in _by_node(celery, ours)
    )


def _by_node(celery: Account, ours: Account) -> Iterator[tuple[list[Any], list[Any], Tree]]:
    """Yield both results of each of the last tasks; nothing fits where there are not as many."""
    nodes = trees.lasts_of(ours.tree)
    if len(celery.results) == len(ours.results) == len(nodes):
        yield from zip(celery.results, ours.results, nodes, strict=True)
    else:
        yield [], ["?"], {"name": ""}


def _is_errback_of_a_body(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery calls the error callbacks of a chord's body where its header has failed."""
    if difference.kind != "calls" or difference.ours != 0:
        return False
    callers = [
        node["name"]
        for node in trees.nodes_of(celery.tree)
        if any(each["name"] == difference.node for each in node.get("link_error", ()))
    ]
    return not any(celery.begins(name) or ours.begins(name) for name in callers)


def _is_option_of_the_whole(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery gives the options of a composition to some of its tasks, ours to all."""
    name, _, option = difference.node.partition(":")
    if difference.kind != "options":
        return False
    return difference.ours in _inherited(ours.tree, name, option, [])


def _inherited(tree: Tree, name: str, option: str, around: list[Any]) -> list[Any]:
    """Return what a task has of an option from the innermost composition around it that has it."""
    options = tree.get("options", {})
    if tree["kind"] == "task":
        return around if tree["name"] == name and option not in options else []
    here = [options[option]] if option in options else around
    return [each for part in tree["parts"] for each in _inherited(part, name, option, here)]


def _is_hang(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery never calls a part of a workflow in which nothing breaks."""
    if any(each.get("does") in trees.BREAKS for each in trees.everything(celery.tree)):
        return False
    if difference.kind == "calls":
        return difference.celery == 0
    return difference.kind == "result" and all(
        mine == its or (its[:1] == ["PENDING"] and not celery.begins(node["name"]))
        for its, mine, node in _by_node(celery, ours)
    )


def _is_empty(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery refuses a workflow with an empty part."""
    parts = (each["parts"] for each in trees.everything(celery.tree) if "parts" in each)
    return difference.kind == "refused" and not difference.ours and not all(parts)


KNOWN: Final = (
    Known(
        page="explanation/workflows",
        sentence="`AsyncResult.get()` of a link that is skipped raises `TaskRevokedError`",
        explains=_is_result_of_skipped,
    ),
    Known(
        page="explanation/workflows",
        sentence="error callbacks of a body that is skipped are not called",
        explains=_is_errback_of_a_body,
    ),
    Known(
        page="howto/workflows",
        sentence="Options of the whole are those of every member that does not choose its own",
        explains=_is_option_of_the_whole,
    ),
    Known(
        page="howto/workflows",
        sentence="it does not hang",
        explains=_is_hang,
    ),
    Known(
        page="explanation/workflows",
        sentence="An empty part is a success with the result `[]`",
        explains=_is_empty,
    ),
)

#: What the docs say of the ways to write a tree.
READINGS: Final = (
    "A group that is a member of a group is one member",
    "A group of one passes on a list of one result",
    "Arguments of the call reach a group at the beginning of a chain",
)


def explanation(difference: Difference, celery: Account, ours: Account) -> Known | None:
    """Return the known difference that one is."""
    return next((known for known in KNOWN if known.explains(difference, celery, ours)), None)
