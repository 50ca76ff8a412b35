"""``Job.state`` is changed in ``core/transitions.py`` and nowhere else."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.architecture.sources import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Methods of querysets and managers that take columns of rows which exist.
WRITERS = frozenset({"update", "update_or_create", "bulk_update", "bulk_create"})

#: A step has a state of its own; a call that names steps writes theirs.
OTHER_STATES = re.compile(r"\bStep\b|\bsteps\b|\bStepState\b")

SQL = re.compile(r"\bset\b[^;]*\bstate\b\s*=", re.IGNORECASE)


def writes_state(tree: ast.AST) -> bool:
    nodes = list(ast.walk(tree))
    return (
        any(_call_writes(node) or _is_sql(node) for node in nodes)
        # A row not yet inserted may be given its first state.
        or (any(map(_assigns, nodes)) and any(map(_saves_again, nodes)))
    )


def _call_writes(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and not OTHER_STATES.search(ast.unparse(node))
        and "state" in set(_columns(node, node.func.attr.removeprefix("a")))
    )


def _columns(call: ast.Call, method: str) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg == "update_fields":  # of save() and bulk_create()
            yield from _texts(keyword.value)
        elif method in WRITERS:
            yield from [keyword.arg] if keyword.arg else []
            yield from _texts(keyword.value)
    if method in WRITERS:
        yield from (text for argument in call.args for text in _texts(argument))


def _texts(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def _assigns(node: ast.AST) -> bool:
    """Whether an attribute called state is set on anything that is not a step."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(
        isinstance(target, ast.Attribute)
        and target.attr == "state"
        and ast.unparse(target.value) not in {"self", "step"}
        for target in targets
    )


def _saves_again(node: ast.AST) -> bool:
    """Whether this is a save() that may write to a row which exists."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"save", "asave"}
        and all(keyword.arg != "force_insert" for keyword in node.keywords)
    )


def _is_sql(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SQL.search(node.value) is not None
    )


def test_only_transitions_writes_job_state() -> None:
    writers = {module.name for module in modules() if writes_state(module.tree)}

    assert writers == {"celery_jobman/core/transitions.py"}


@pytest.mark.parametrize(
    "source",
    [
        "Job.objects.filter(pk=1).update(state='failed')",
        "Job.objects.filter(pk=1).update(**{'state': 'failed'})",
        "await rows.aupdate(state='failed')",
        "Job.objects.bulk_update(jobs, ['queue', 'state'])",
        "Job.objects.bulk_update(jobs, fields=('state',))",
        "Job.objects.bulk_create(jobs, update_conflicts=True, update_fields=['state'])",
        "Job.objects.update_or_create(pk=1, defaults={'state': 'failed'})",
        "job.save(update_fields={'state'})",
        "job.state = State.FAILED; job.save()",
        "cursor.execute('UPDATE jobman_job SET attempt = 2, state = %s', [state])",
    ],
)
def test_every_way_to_write_it_is_seen(source: str) -> None:
    assert writes_state(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "Job.objects.filter(state='failed').update(queue='slow')",
        "Step.objects.update_or_create(job=job, defaults={'state': 'done'})",
        "job.steps.update(state='done')",
        "rows.update(state=StepState.FAILED)",
        "self.save(path, state=state)",
        "Job(state='scheduled').save(force_insert=True)",
        "job.state = State.QUEUED; job.save(force_insert=True)",
        "self.state = 1",
        "cursor.execute('SELECT state FROM jobman_job WHERE state = %s', [state])",
    ],
)
def test_what_does_not_write_it_is_left_alone(source: str) -> None:
    assert not writes_state(ast.parse(source))
