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

#: What the docs say of the rows of jobs in Celery's own canvas.
WAITS: Final = "leave their body *blocked*"
#: Options of compositions, and what a task sees of them if they were not set.
PLAIN: Final = {"priority": 0, "queue": "oracle"}
#: Groups of one member in a workflow that are read either way.
MOST: Final = 3


@dataclass(frozen=True)
class Known:
    """A difference that the documentation names."""

    #: Words of the documentation.
    sentence: str
    #: Whether it is this one; the accounts are Celery's and ours.
    explains: Callable[[Difference, Account, Account], bool]


def readings(tree: Tree) -> Iterator[Tree]:
    """Yield the workflows that ours may run as Celery runs ``tree``, the likeliest first.

    Whether Celery takes a group of one member for its member depends on what is around it; then
    it may begin a chain, and be given the arguments of the call.
    """
    number = sum(_is_one(each) for each in trees.everything(tree))
    for heard in _hearings(tree):
        for chosen in product((True, False), repeat=min(number, MOST)):
            yield _read(heard, iter([*chosen, *[True] * number]), is_called=True)


def _hearings(tree: Tree) -> Iterator[Tree]:
    """Yield trees in which tasks are not given what Celery does not pass on to them."""
    called = [*_beginning(tree)] if tree.get("given") else []
    chords = (each for each in trees.everything(tree) if each["kind"] == "chord" and each["parts"])
    bodies = [each["parts"][-1] for each in chords]
    deaf = [[part for part in parts if _is_but_a_group(part)] for parts in (called, bodies)]
    for some in product(*([parts, []] if parts else [[]] for parts in deaf)):
        yield _deaf(tree, [part for parts in some for part in parts])


def _beginning(tree: Tree) -> Iterator[Tree]:
    """Yield with what a tree begins: of groups, and of headers of chords, the members."""
    parts = {"group": tree.get("parts"), "chord": tree.get("parts", [])[:-1]}.get(tree["kind"])
    if parts is None:
        yield tree
    for part in parts or ():
        yield from _beginning(part)


def _is_but_a_group(tree: Tree) -> bool:
    """Whether a tree is a chain that consists of a group."""
    parts = tree["parts"] if tree["kind"] == "chain" else []
    return len(parts) == 1 and (parts[0]["kind"] == "group" or _is_but_a_group(parts[0]))


def _deaf(tree: Tree, some: list[Tree]) -> Tree:
    """Return a tree in which the tasks with which some parts begin are given nothing."""
    firsts = [task["name"] for part in some for task in trees.firsts_of(part)]
    if tree.get("name") in firsts:
        return {**tree, "immutable": True}
    if "parts" not in tree:
        return tree
    return {**tree, "parts": [_deaf(part, some) for part in tree["parts"]]}


def _read(tree: Tree, unrolled: Iterator[bool], *, is_called: bool = False) -> Tree:
    if tree["kind"] == "task":
        return {**tree, "by": _read(tree["by"], unrolled)} if "by" in tree else tree
    parts = tree["parts"]
    if tree["kind"] == "group":
        parts = _flat(parts, is_called=is_called)
    elif tree["kind"] == "chord":
        parts = [*_flat(parts[:-1]), *(_unrolled(part, unrolled) for part in parts[-1:])]
    else:
        parts = [_unrolled(part, unrolled) for part in _without_empty(parts)]
    return {**tree, "parts": [_read(part, unrolled) for part in parts]}


def _without_empty(parts: list[Tree]) -> list[Tree]:
    """Return the links of a chain of which Celery knows: it goes past what is empty."""
    return [part for part in parts if part.get("parts", ["a task"])] or parts[:1]


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
    """Celery stores an error, or nothing, for links that never ran or ignored; ours a revoke."""
    return difference.kind == "result" and all(
        mine == its or (_has_no_end(node, ours) and _is_told(mine, its))
        for its, mine, node in _by_node(celery, ours)
    )


def _is_told(mine: list[Any], its: list[Any]) -> bool:
    return mine[:1] == ["REVOKED"] or (mine[:1] == ["FAILURE"] and its[:1] == ["PENDING"])


def _has_no_end(node: Tree, ours: Account) -> bool:
    """Whether a task, or something that stood in for it, never ran or raised ``Ignore``."""
    if ours.end(node["name"]) == "replace":
        return any(_has_no_end(each, ours) for each in trees.lasts_of(node["by"]))
    return ours.end(node["name"]) in {"", "ignore"}


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
    if difference.kind != "options" or option not in PLAIN:
        return False
    expected = _options_of(ours.tree, name, option, []) or [PLAIN.get(option)]
    compositions = (each for each in trees.everything(celery.tree) if each["kind"] != "task")
    leaked = {each.get("options", {}).get(option) for each in compositions}
    return difference.ours == expected[0] and difference.celery in {*leaked, PLAIN.get(option)}


def _is_own_option(difference: Difference, _celery: Account, ours: Account) -> bool:
    """Celery drops the priority of some bodies, and lets options of the whole win."""
    name, _, option = difference.node.partition(":")
    if difference.kind != "options" or option not in PLAIN:
        return False
    node = next(each for each in trees.nodes_of(ours.tree) if each["name"] == name)
    return option in node.get("options", {}) and difference.ours == node["options"][option]


def _is_own_callback(difference: Difference, celery: Account, _ours: Account) -> bool:
    """Celery calls the callbacks of a composition in the place of those of a member."""
    if difference.kind != "calls" or difference.celery != 0:
        return False
    everything = [*trees.everything(celery.tree)]
    of_compositions = any(each["kind"] != "task" and each.get("link") for each in everything)
    callers = (each for each in everything if each["kind"] == "task")
    return of_compositions and any(
        celery.end(caller["name"]) == "end"
        and any(difference.node == node["name"] for node in trees.nodes_of(callback))
        for caller in callers
        for callback in caller.get("link", ())
    )


def _options_of(tree: Tree, name: str, option: str, around: list[Any]) -> list[Any]:
    """Return what a task has not itself of an option, but from a composition around it."""
    is_set = option in tree.get("options", {})
    if tree.get("name") == name:
        return [] if is_set else around
    here = [tree["options"][option]] if is_set and tree["kind"] != "task" else around
    found = (_options_of(part, name, option, here) for part in trees.inner(tree))
    return next((each for each in found if each), [])


def _is_hang(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery never calls a part of a workflow in which nothing breaks."""
    if not _hangs(celery):
        return False
    if difference.kind == "calls":
        errbacks = trees.errbacks_of(celery.tree)
        return difference.celery == 0 and difference.node not in errbacks
    return difference.kind == "result" and all(
        mine == its or (its[:1] == ["PENDING"] and not celery.begins(node["name"]))
        for its, mine, node in _by_node(celery, ours)
    )


def _hangs(celery: Account) -> bool:
    breaks = [each for each in trees.nodes_of(celery.tree) if each["does"] in trees.BREAKS]
    if any(each["does"] == "expire" or celery.begins(each["name"]) for each in breaks):
        return False
    return not all(celery.begins(each["name"]) for each in trees.tasks_of(celery.tree))


def _is_empty(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery refuses a workflow with an empty part, also where it is to stand in for a task."""
    if difference.kind == "refused":
        return not difference.ours and _has_empty(celery.tree)
    refused = [
        each
        for each in trees.everything(celery.tree)
        if "by" in each and _has_empty(each["by"]) and celery.end(each["name"]) == "replace"
    ]
    if all(any(map(celery.begins, _names(each["by"]))) for each in refused):
        return False
    if difference.kind == "calls":
        errbacks = trees.errbacks_of(celery.tree)
        none: int = difference.ours if difference.node in errbacks else difference.celery
        return none == 0
    return difference.kind == "result" and all(
        mine == its or its[:1] in (["FAILURE"], ["PENDING"])
        for its, mine, _ in _by_node(celery, ours)
    )


def _is_group_with_a_chord(difference: Difference, celery: Account, _ours: Account) -> bool:
    """Celery trips over a group with a chord in it, before another group, in a body of a chord."""
    tripped = "'list' object has no attribute 'options'" in str(difference.celery)
    chords = [each for each in trees.subtrees(celery.tree) if each["kind"] == "chord"]
    bodies = [trees.subtrees(each["parts"][-1]) for each in chords if each["parts"]]
    groups = [part for body in bodies for part in body if part["kind"] == "group"]
    has_chord = any(part["kind"] == "chord" for each in groups for part in trees.subtrees(each))
    return difference.kind == "refused" and tripped and not difference.ours and has_chord


def _has_empty(tree: Tree) -> bool:
    return not all(each["parts"] for each in trees.everything(tree) if "parts" in each)


def _names(tree: Tree) -> list[str]:
    return [each["name"] for each in trees.tasks_of(tree)]


def _is_id_of_a_stand_in(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery's stand-in keeps an id of its own, and nobody finds its result by the task's."""
    if difference.kind == "result":
        return all(
            mine == its or (its[:1] == ["PENDING"] and _has_own_id(node))
            for its, mine, node in _by_node(celery, ours)
        )
    name, _, option = difference.node.partition(":")
    is_id = difference.kind == "options" and option == "task_id" and not difference.ours
    stand_ins = [each["by"] for each in trees.everything(ours.tree) if "by" in each]
    return is_id and any(name == last["name"] for by in stand_ins for last in trees.lasts_of(by))


def _has_own_id(node: Tree) -> bool:
    lasts = trees.lasts_of(node["by"]) if "by" in node else []
    return any("task_id" in each.get("options", {}) or _has_own_id(each) for each in lasts)


def _is_lost_list(difference: Difference, celery: Account, ours: Account) -> bool:
    """Celery takes a chord before a group for the end of what stands in for a task."""
    if difference.kind == "result":
        return all(
            mine == its or (its[:1] == ["PENDING"] and _ends_after_a_chord(node.get("by")))
            for its, mine, node in _by_node(celery, ours)
        )
    replaced = (each for each in trees.everything(ours.tree) if _ends_after_a_chord(each.get("by")))
    called = [
        node["name"]
        for each in replaced
        for back in trees.callbacks_of(each)
        for node in trees.nodes_of(back)
    ]
    if difference.kind == "order":
        return not ours.disorder and all(words.split()[0] in called for words in celery.disorder)
    return difference.kind == "given" and difference.node in called


def _ends_after_a_chord(tree: Tree | None) -> bool:
    """Whether a tree ends with a group, and has a chord, or another group, before that."""
    if tree is None or tree["kind"] not in {"chain", "chord"} or not tree["parts"]:
        return False
    *before, last = tree["parts"]
    is_chord = tree["kind"] == "chord" or any(each["kind"] != "task" for each in before)
    return (last["kind"] == "group" and is_chord) or _ends_after_a_chord(last)


def _is_called_for_each(difference: Difference, celery: Account, _ours: Account) -> bool:
    """Celery calls a chord once for each member of a group that is the body of one before it."""
    chords = (each for each in trees.everything(celery.tree) if each["kind"] == "chord")
    bodies = [each["parts"][-1] for each in chords if each["parts"]]
    sizes = {len(body["parts"]) for body in bodies if body["kind"] == "group"}
    return difference.kind == "calls" and any(
        difference.celery == size * difference.ours for size in sizes - {0, 1}
    )


KNOWN: Final = (
    Known("The result of a link that was skipped", _is_result_of_skipped),
    Known("The error callbacks of a body are not called when", _is_errback_of_a_body),
    Known("Options of the whole are those of every member", _is_option_of_the_whole),
    Known("The own options of a task always count", _is_own_option),
    Known("and so do its own callbacks", _is_own_callback),
    Known("A stand-in has the task id of the task that it replaces", _is_id_of_a_stand_in),
    Known("Where a chord comes before that group, Celery's has none", _is_lost_list),
    Known("Celery calls a chord there once for each", _is_called_for_each),
    Known("it does not hang", _is_hang),
    Known("Celery refuses some workflows with an empty chain", _is_empty),
    Known("It refuses a chord whose body has a group with a chord", _is_group_with_a_chord),
)


def explanation(difference: Difference, celery: Account, ours: Account) -> Known | None:
    """Return the known difference that one is."""
    return next((known for known in KNOWN if known.explains(difference, celery, ours)), None)
