"""Workflows as values: what is composed as Celery's canvas and as ours, and drawn at random.

A tree is a dict that JSON can hold.  A *task* has a ``name`` that no other node of its workflow
has, what it ``does``, its own ``args``, and what it is replaced ``by``.  A *chain*, *group* or
*chord* has ``parts``; the last part of a chord is its body.  Each may have ``options``, and trees
that are called after it in ``link`` and ``link_error``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Tree = dict[str, Any]

#: What a task may do and succeed.
SUCCEEDS: Final = (
    "int", "list", "none", "str", "dict", "echo", "echo", "complete", "skip", "retry",
)  # fmt: skip
#: What a task may do so that nothing follows it.
BREAKS: Final = ("fail", "fail", "ignore", "reject", "expire")
CALLBACKS: Final = ("link", "link_error")


def task(name: str, does: str = "str", **more: Any) -> Tree:
    """Return a task; ``more`` are ``args``, ``options``, ``immutable``, ``link`` and so on."""
    return {"kind": "task", "name": name, "does": does, **more}


def chain(*parts: Tree, **more: Any) -> Tree:
    return {"kind": "chain", "parts": list(parts), **more}


def group(*parts: Tree, **more: Any) -> Tree:
    return {"kind": "group", "parts": list(parts), **more}


def chord(*parts: Tree, **more: Any) -> Tree:
    return {"kind": "chord", "parts": list(parts), **more}


def inner(tree: Tree) -> list[Tree]:
    """Return the parts of a composition; of a task, what it is replaced by, if it is."""
    return [*tree.get("parts", ()), *([tree["by"]] if "by" in tree else ())]


def subtrees(tree: Tree) -> Iterator[Tree]:
    """Yield a tree and all trees in it, without callbacks."""
    yield tree
    for part in inner(tree):
        yield from subtrees(part)


def tasks_of(tree: Tree) -> Iterator[Tree]:
    """Yield the tasks of a tree that are links or members, and of what replaces them."""
    return (each for each in subtrees(tree) if each["kind"] == "task")


def callbacks_of(tree: Tree) -> list[Tree]:
    """Return what is called after a tree."""
    return [callback for key in CALLBACKS for callback in tree.get(key, ())]


def everything(tree: Tree) -> Iterator[Tree]:
    """Yield a tree and all trees in it, and those of callbacks."""
    for each in subtrees(tree):
        yield each
        for callback in callbacks_of(each):
            yield from everything(callback)


def nodes_of(tree: Tree) -> Iterator[Tree]:
    """Yield all tasks that are called, also as callbacks."""
    return (each for each in everything(tree) if each["kind"] == "task")


def errbacks_of(tree: Tree) -> set[str]:
    """Return the names of the tasks that are told of errors."""
    return {back["name"] for each in everything(tree) for back in each.get("link_error", ())}


def firsts_of(tree: Tree) -> list[Tree]:
    """Return the tasks with which a tree begins."""
    if tree["kind"] == "task":
        return [tree]
    parts = tree["parts"]
    begin = {"chain": parts[:1], "group": parts, "chord": parts[:-1]}[tree["kind"]]
    return [each for part in begin for each in firsts_of(part)]


def lasts_of(tree: Tree) -> list[Tree]:
    """Return the tasks whose results are the results of a tree, in order."""
    if tree["kind"] == "task":
        return [tree]
    parts = tree["parts"] if tree["kind"] == "group" else tree["parts"][-1:]
    return [each for part in parts for each in lasts_of(part)]


def written(tree: Tree) -> str:
    """Return a tree in one line, as it is composed."""
    words = [tree["name"]] if tree["kind"] == "task" else [_parts_written(tree)]
    if tree.get("does", "str") != "str":
        words.append(tree["does"])
    if "by" in tree:
        words.append(f"by {written(tree['by'])}")
    about = {key: tree[key] for key in ("given", "immutable", "args", "options") if tree.get(key)}
    words += [f"{key}={json.dumps(value)}" for key, value in about.items()]
    called = {key: tree[key] for key in CALLBACKS if tree.get(key)}
    words += [f"{key}=[{', '.join(map(written, trees))}]" for key, trees in called.items()]
    return " ".join(words)


def _parts_written(tree: Tree) -> str:
    return f"{tree['kind']}({', '.join(map(written, tree['parts']))})"


def smaller(tree: Tree) -> Iterator[Tree]:
    """Yield trees that have a little less than this one, those with the least first."""
    yield from (part for part in tree.get("parts", ()) if part["kind"] != "task")
    yield from _fewer(tree)
    yield from _plainer(tree)
    for key in ("parts", *CALLBACKS):
        for index, part in enumerate(tree.get(key, ())):
            others = tree[key][:index], tree[key][index + 1 :]
            yield from ({**tree, key: [*others[0], less, *others[1]]} for less in smaller(part))
    for less in smaller(tree["by"]) if "by" in tree else ():
        yield {**tree, "by": less}


def _fewer(tree: Tree) -> Iterator[Tree]:
    for index in range(len(tree.get("parts", ()))):
        left = [*tree["parts"][:index], *tree["parts"][index + 1 :]]
        if left:
            yield {**tree, "parts": left}


def _plainer(tree: Tree) -> Iterator[Tree]:
    for key in ("given", "immutable", "args", "options", *CALLBACKS):
        if tree.get(key):
            yield {name: value for name, value in tree.items() if name != key}
    options = tree.get("options", {})
    for key in options if len(options) > 1 else ():
        yield {**tree, "options": {name: options[name] for name in options if name != key}}
    if tree.get("does", "str") not in {"str", "told", "named"}:
        yield {**{name: value for name, value in tree.items() if name != "by"}, "does": "str"}
