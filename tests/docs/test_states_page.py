from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from celery_jobman import states
from celery_jobman.models import Outcome, StepState, Trigger, attempt, step
from celery_jobman.models.attempt import FAILURES
from celery_jobman.states import TRANSITIONS, State
from tests.docs.pages import DOCS, rows

if TYPE_CHECKING:
    from types import ModuleType

    from django.db.models import TextChoices

PAGE = DOCS / "reference" / "states.md"


def sentences(kind: type[TextChoices], module: ModuleType) -> dict[str, str]:
    """Return what the source says of each value, by the value."""
    tree = ast.parse(inspect.getsource(module))
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    lines = [pair for body in bodies for pair in pairwise(body)]
    said = {
        before.targets[0].id: " ".join(after.value.value.split()).replace("``", "`")
        for before, after in lines
        if isinstance(before, ast.Assign)
        and isinstance(before.targets[0], ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
    return {value.value: said[value.name] for value in kind}


def test_every_state_is_on_the_page_with_its_sentence_and_its_ways_out() -> None:
    meanings = sentences(State, states)
    expected = [
        [state.value, meanings[state.value], {str(to) for to in TRANSITIONS[state]}]
        for state in State
    ]

    found = [row for row in rows(PAGE) if len(row) == 3 and row[0] in meanings][: len(State)]

    assert [[name, meaning, set(to.split(", "))] for name, meaning, to in found] == expected


def test_every_move_is_on_the_page() -> None:
    moves = {(str(source), str(to)) for source, ways in TRANSITIONS.items() for to in ways}

    assert {(row[0], row[1]) for row in rows(PAGE, "## Every move")} == moves


def test_every_outcome_is_on_the_page_and_says_whether_it_counts() -> None:
    meanings = sentences(Outcome, attempt)
    expected = [
        [value.value, meanings[value.value], "yes" if value in FAILURES else "no"]
        for value in Outcome
    ]

    assert [row for row in rows(PAGE, "## How an attempt ends") if len(row) == 3] == expected


@pytest.mark.parametrize(
    ("kind", "module", "heading"),
    [
        (Trigger, attempt, "## How an attempt ends"),
        (StepState, step, "## Where a step stands"),
    ],
)
def test_the_other_words_are_on_the_page(
    kind: type[TextChoices], module: ModuleType, heading: str
) -> None:
    expected = list(map(list, sentences(kind, module).items()))

    assert [row for row in rows(PAGE, heading) if len(row) == 2] == expected
