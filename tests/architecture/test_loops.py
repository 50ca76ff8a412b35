"""A loop that writes for one row after the other lets the others go on where one is refused.

It does so inside ``Aside.guarding``, ``fallbacks.part`` or ``fallbacks.somehow``, or it is named
below with the reason why it need not.  A call writes if it is one of Django's that do, one of
:mod:`celery_jobman.core.statements`, or of a function of ``core`` or ``runtime`` in which such a
call stands.  What is reached through a variable or an attribute of an object is not seen.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from tests.architecture.sources import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.architecture.sources import Module

#: Methods of querysets and rows that write.
METHODS: Final = frozenset(
    {"bulk_create", "bulk_update", "delete", "_raw_delete", "save", "create"}
)
STATEMENTS: Final = frozenset({"insert", "insert_while", "update", "update_and_read"})
#: What keeps one row's refusal from the rows after it.
GUARDS: Final = frozenset({"guarding", "part", "somehow"})

Loop = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp

#: Loops that write without a guard, and why.
ALLOWED: Final = {
    "core/batches.py write": "all rows of a workflow, or none: its caller is told",
    "core/behind.py forget": "rows of one workflow, deleted together",
    "core/bulk.py insert_all": "all rows, or none: its caller decides",
    "core/comeback.py reopen": "part of a retry: all or nothing, who asks is told",
    "core/deletion.py _end_batch": "part of a delete: all or nothing, who deletes is told",
    "core/deletion.py _end_job": "of one job",
    "core/deletion.py _take_out": "of one link: the same row in two tables",
    "core/errands.py _open": "its slice is written part by part where it is refused",
    "core/iterations.py _run": "items of one job, whose refusals are its own",
    "core/iterations.py walk": "items of one job, whose refusals are its own",
    "core/logs.py write_each": "guards each line itself",
    "core/pruning.py prune": "its slices are guarded row by row",
    "core/pruning.py trim": "its slices are guarded row by row",
    "core/reopening.py _detach": "part of a retry: all or nothing, who asks is told",
    "core/reopening.py _move_all": "part of a retry: all or nothing, who asks is told",
    "core/reopening.py write": "part of a retry: all or nothing, who asks is told",
    "core/standins.py put": "part of one end, which is written without it where it is refused",
    "runtime/arrears.py pay": "each end that is refused waits behind the others",
    "runtime/bodies.py close_carried_by": "rows of one message",
    "runtime/hinting.py send": "a hint; the dispatcher guards each row, and the keepers come back",
    "runtime/placing.py _chain": "rows of one call: all or nothing, its caller is told",
    "runtime/placing.py _group": "rows of one call: all or nothing, its caller is told",
    "runtime/placing.py callbacks": "rows of one call: all or nothing, its caller is told",
    "runtime/placing.py sequence": "rows of one call: all or nothing, its caller is told",
    "runtime/supervisor.py _look_around": "catches what each job raises",
    "runtime/supervisor.py _watch": "catches what each job raises",
}


def looping() -> set[str]:
    """Return the functions of core and runtime with a loop that writes and has no guard."""
    watched = [m for m in modules() if m.name.split("/")[1] in {"core", "runtime"}]
    writing = writers(watched)
    return {
        f"{module.name.removeprefix('celery_jobman/')} {function.name}"
        for module in watched
        for function in functions(module.tree)
        if any(writes(loop, short(module), writing) for loop in loops(function))
    }


def writers(watched: list[Module]) -> set[str]:
    """Return ``module.function`` for each function in which something is written."""
    known: set[str] = set()
    while True:
        more = {
            f"{short(module)}.{function.name}"
            for module in watched
            for function in functions(module.tree)
            if any(is_write(call, short(module), known) for call in calls(function))
        }
        if more <= known:
            return known
        known |= more


def short(module: Module) -> str:
    return module.name.rsplit("/", 1)[-1].removesuffix(".py")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def loops(function: ast.FunctionDef) -> Iterator[Loop]:
    return (node for node in ast.walk(function) if isinstance(node, Loop))


def writes(loop: Loop, module: str, known: set[str]) -> bool:
    """Whether a loop makes a call that writes, outside of every guard."""
    heads = {id(node) for node in ast.walk(loop.iter)} if isinstance(loop, ast.For) else set()
    return any(is_write(call, module, known) for call in calls(loop) if id(call) not in heads)


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a node, but for those in a guarded block."""
    if isinstance(node, ast.With) and any(is_guard(item.context_expr) for item in node.items):
        return
    if isinstance(node, ast.Call):
        if is_guard(node):
            return
        yield node
    for child in ast.iter_child_nodes(node):
        yield from calls(child)


def is_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and name_of(node)[1] in GUARDS


def is_write(call: ast.Call, module: str, known: set[str]) -> bool:
    owner, name = name_of(call)
    if owner == "statements":
        return name in STATEMENTS
    if name in METHODS or (name == "update" and "objects" in ast.unparse(call.func)):
        return True
    return f"{module if owner in {'', 'self'} else owner}.{name}" in known


def name_of(call: ast.Call) -> tuple[str, str]:
    """Return whose function is called, as it is written there, and its name."""
    if isinstance(call.func, ast.Name):
        return "", call.func.id
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        return owner.id if isinstance(owner, ast.Name) else "?", call.func.attr
    return "?", "?"


def test_loops_that_write_keep_one_rows_refusal_from_the_others() -> None:
    assert looping() == set(ALLOWED)


GUARDED = """
def settle(rows):
    for row in rows:
        with aside.guarding(row.id):
            row.delete()
"""


def test_a_guarded_loop_is_told_from_an_unguarded_one() -> None:
    guarded, bare = (ast.parse(text) for text in (GUARDED, GUARDED.replace("guarding", "x")))

    found = [
        any(writes(loop, "m", set()) for f in functions(tree) for loop in loops(f))
        for tree in (guarded, bare)
    ]

    assert found == [False, True]
