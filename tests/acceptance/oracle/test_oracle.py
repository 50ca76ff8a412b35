"""Celery's canvas as an oracle: the same random workflow, run by Celery and by ours.

``JOBMAN_TEST_ORACLE`` is how many are run; ``python -m tests.acceptance.oracle`` runs others.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.acceptance.oracle import known
from tests.acceptance.oracle.asking import Question
from tests.acceptance.oracle.examples import ENDED, PLANTED, READ
from tests.acceptance.oracle.faults import FAULTS, is_open
from tests.acceptance.oracle.sides import suits

if TYPE_CHECKING:
    from tests.acceptance.oracle.asking import Oracle
    from tests.acceptance.oracle.trees import Tree

SEEDS: Final = range(int(os.environ.get("JOBMAN_TEST_ORACLE", "50")))
SENTENCES: Final = [*READ, *ENDED, *(each.sentence for each in known.KNOWN), known.WAITS]
DOCS: Final = Path(__file__).parents[3] / "docs"


def test_random_workflows_are_run_as_celery_runs_them(oracle: Oracle) -> None:
    found = [each for each in oracle.ask(SEEDS) if not is_open(each)]

    assert not found, "\n".join(map(str, found))
    assert oracle.counts["calls"] > len(SEEDS)


@pytest.mark.parametrize("side", ["ours", "read", "mixed"])
def test_what_the_docs_say_of_reading_is_what_celery_does(oracle: Oracle, side: str) -> None:
    answered = oracle.compare([Question(side=side, tree=tree) for tree in READ.values()])

    assert answered == []


def test_celery_reads_these_in_another_way(oracle: Oracle) -> None:
    asked = [Question(side="ours", tree=tree, is_literal=True) for tree in READ.values()]

    answered = oracle.compare(asked)

    assert [each.tree for each in answered] == [*READ.values()]


def _side(tree: Tree) -> str:
    return next(side for side in ("ours", "read") if suits(side, tree))


def test_these_end_in_another_way_and_the_docs_name_it(oracle: Oracle) -> None:
    asked = [Question(side=_side(tree), tree=tree) for tree in ENDED.values()]
    before = oracle.known.copy()

    answered = oracle.compare(asked)

    assert answered == []
    assert {each.sentence for each in known.KNOWN} == (oracle.known - before).keys()


@pytest.mark.parametrize("tree", FAULTS.values(), ids=FAULTS)
@pytest.mark.xfail(strict=True, reason="a fault that is open")
def test_a_fault_that_is_open_is_mended(oracle: Oracle, tree: tuple[str, Tree]) -> None:
    side, workflow = tree

    answered = oracle.compare([Question(side=side, tree=workflow)])

    assert answered == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(spoilt: Oracle, fault: str) -> None:
    kind, tree = PLANTED[fault]

    (found,) = spoilt.compare([Question(side="ours", tree=tree)])

    assert kind in found.kinds


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_docs_name_each_difference(sentence: str) -> None:
    pages = [path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))]

    assert any(sentence in " ".join(page.split()) for page in pages)
