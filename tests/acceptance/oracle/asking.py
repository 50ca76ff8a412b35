"""Asking the oracle: workflows are played by Celery and by ours, and held against each other."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from tests.acceptance.oracle import comparing, known, trees
from tests.acceptance.oracle.comparing import Account, Difference
from tests.acceptance.oracle.drawing import drawn
from tests.acceptance.oracle.sides import CELERYS, suits
from tests.acceptance.oracle.stage import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.acceptance.oracle.stage import Stage
    from tests.acceptance.oracle.trees import Tree

#: Sides that take turns; ``ours`` plays every workflow.
IN_TURN: Final = ("read", "mixed", "jobs")
#: Workflows that are played beside one another.
AT_ONCE: Final = 80
#: Rounds in which a workflow with a disagreement is made smaller, and trees tried in each.
ROUNDS: Final = 30
TRIED: Final = 60


@dataclass(frozen=True, kw_only=True)
class Question:
    """A workflow that a side is to play as Celery does; then also how it did not."""

    side: str
    tree: Tree
    seed: int | None = None
    differences: tuple[Difference, ...] = ()
    #: The side is given the tree as it is written.
    is_literal: bool = False

    def __str__(self) -> str:
        title = f"{self.side}, seed {self.seed}: {trees.written(self.tree)}"
        return "\n".join([title, *(f"    {each}" for each in self.differences)])

    @property
    def kinds(self) -> set[str]:
        return {each.kind for each in self.differences}

    def readings(self) -> Iterator[Tree]:
        """Yield what the side may be given: one has to be played as Celery plays the tree."""
        if self.is_literal or self.side in CELERYS:
            return iter([self.tree])
        return known.readings(self.tree)


@dataclass(kw_only=True)
class Oracle:
    """Asks, and keeps count."""

    stage: Stage
    #: What was played and found.
    counts: Counter[str] = field(default_factory=Counter)
    #: How often a known difference was seen, by the words of the docs.
    known: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def ask(self, seeds: Sequence[int], sides: Sequence[str] = ()) -> list[Question]:
        """Play the workflows of some seeds, and return where a side disagrees with Celery.

        Args:
            seeds: Of the workflows.
            sides: Who plays each; by default ours, and one of the others in turn.
        """
        slices = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
        return [each for some in slices for each in self._ask(some, sides)]

    def _ask(self, seeds: Sequence[int], sides: Sequence[str]) -> list[Question]:
        began = time.monotonic()
        found = self.compare([each for seed in seeds for each in questions(seed, sides)])
        self.seconds += time.monotonic() - began
        return found

    def compare(self, asked: Sequence[Question]) -> list[Question]:
        """Return those that are not answered as Celery answers, with the differences."""
        distinct = {trees.written(question.tree): question.tree for question in asked}
        self._count(distinct.values())
        first = [(question, next(question.readings())) for question in asked]
        runs = [Run(side="celery", tree=tree) for tree in distinct.values()]
        outcomes = self._play([*runs, *map(_run, first)])
        oracles = dict(zip(distinct, outcomes, strict=False))
        wrong = self._wrong(first, outcomes[len(distinct) :], oracles)
        others = [
            (question, reading)
            for question in wrong
            for reading in islice(question.readings(), 1, None)
        ]
        still = Counter(map(_key, self._wrong(others, self._play(map(_run, others)), oracles)))
        tried = Counter(_key(question) for question, _ in others)
        return [each for each in wrong if still[_key(each)] == tried[_key(each)]]

    def smallest(self, found: Question) -> Question:
        """Return a workflow, as small as can be, of which a side makes the same kind of thing."""
        for _ in range(ROUNDS):
            asked = [
                replace(found, tree=tree, differences=())
                for tree in islice(trees.smaller(found.tree), TRIED)
                if suits(found.side, tree)
            ]
            wrong = [each for each in self.compare(asked) if each.kinds & found.kinds]
            if not wrong:
                break
            found = min(wrong, key=lambda each: len(trees.written(each.tree)))
        return found

    def _count(self, asked: Iterable[Tree]) -> None:
        for tree in asked:
            self.counts["workflows"] += 1
            self.counts["nodes"] += len([*trees.nodes_of(tree)])

    def _play(self, runs: Iterable[Run]) -> list[Account]:
        played = [*runs]
        outcomes = self.stage.play(played)
        self.counts["runs"] += len(played)
        for outcome in outcomes:
            self.counts["calls"] += sum(line["what"] == "begin" for line in outcome["calls"])
        return [Account(run.tree, each) for run, each in zip(played, outcomes, strict=True)]

    def _wrong(
        self,
        asked: Sequence[tuple[Question, Tree]],
        accounts: Sequence[Account],
        oracles: Mapping[str, Account],
    ) -> list[Question]:
        found = []
        for (question, _), ours in zip(asked, accounts, strict=True):
            differences = self._compared(question, oracles[trees.written(question.tree)], ours)
            if differences:
                found.append(replace(question, differences=tuple(differences)))
        return found

    def _compared(self, question: Question, celery: Account, ours: Account) -> list[Difference]:
        found = comparing.differences(celery, ours)
        explained = [known.explanation(each, celery, ours) for each in found]
        self.known.update({each.sentence for each in explained if each is not None})
        left = [each for each, why in zip(found, explained, strict=True) if why is None]
        kinds = {each["kind"] for each in trees.subtrees(question.tree)}
        may_wait = question.side in CELERYS and bool(kinds & {"group", "chord"})
        return [*left, *comparing.misrecorded(ours, may_wait=may_wait)]


def questions(seed: int, sides: Sequence[str] = ()) -> list[Question]:
    """Return what is asked about the workflow of a seed."""
    tree = drawn(seed)
    chosen = sides or ("ours", IN_TURN[seed % len(IN_TURN)])
    return [Question(side=side, tree=tree, seed=seed) for side in chosen if suits(side, tree)]


def _run(asked: tuple[Question, Tree]) -> Run:
    question, reading = asked
    return Run(side=question.side, tree=reading)


def _key(question: Question) -> tuple[str, str]:
    return question.side, trees.written(question.tree)
