"""What the oracle sees in the calls of two runs; no worker is needed to test it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.oracle import comparing, drawing, known, trees
from tests.acceptance.oracle.comparing import Account
from tests.acceptance.oracle.trees import Tree, chain, chord, group, task

TWO = chain(task("t1"), task("t2"))


def account(tree: Tree, *lines: str, **outcome: Any) -> Account:
    """Return an account of calls: a node and what it does, and what a call was given."""
    calls = []
    for number, line in enumerate(lines):
        node, what, *given = line.split()
        calls.append({"node": node, "what": what, "given": given, "at": float(number)})
    facts = {"calls": calls, "refused": "", "began": 0.0, "result": ["SUCCESS", "t2"], "rows": {}}
    return Account(tree, facts | outcome)


def kinds(celery: Account, ours: Account) -> list[str]:
    return [each.kind for each in comparing.differences(celery, ours)]


class TestDifferences:
    SAME = ("t1 begin", "t1 end", "t2 begin x", "t2 end")

    def test_the_same_calls_are_no_difference(self) -> None:
        assert kinds(account(TWO, *self.SAME), account(TWO, *self.SAME)) == []

    @pytest.mark.parametrize(
        ("kind", "lines"),
        [
            ("calls", ["t1 begin", "t1 end"]),
            ("calls", [*SAME, "t2 begin x", "t2 end"]),
            ("given", ["t1 begin", "t1 end", "t2 begin y", "t2 end"]),
            ("end", ["t1 begin", "t1 end", "t2 begin x", "t2 fail"]),
            ("order", ["t1 begin", "t2 begin x", "t1 end", "t2 end"]),
        ],
    )
    def test_another_call_is_one(self, kind: str, lines: list[str]) -> None:
        assert kinds(account(TWO, *self.SAME), account(TWO, *lines)) == [kind]

    def test_members_of_a_group_may_begin_in_any_order(self) -> None:
        tree = group(task("t1"), task("t2"))

        celery = account(tree, "t1 begin", "t1 end", "t2 begin", "t2 end")
        ours = account(tree, "t2 begin", "t1 begin", "t1 end", "t2 end")

        assert kinds(celery, ours) == []

    def test_a_body_that_does_not_wait_for_its_header_is_one(self) -> None:
        tree = chord(task("t1"), task("t2"), task("t3"))
        lines = ("t1 begin", "t1 end", "t2 begin", "t2 end", "t3 begin", "t3 end")
        early = ("t1 begin", "t1 end", "t2 begin", "t3 begin", "t2 end", "t3 end")

        assert kinds(account(tree, *lines), account(tree, *early)) == ["order"]

    def test_a_callback_that_does_not_wait_is_one(self) -> None:
        tree = chain(task("t1", link=[task("t2")]))
        lines, early = ["t1 begin", "t1 end", "t2 begin"], ["t1 begin", "t2 begin", "t1 end"]

        assert kinds(account(tree, *lines), account(tree, *early)) == ["order"]

    @pytest.mark.parametrize("option", ["countdown", "eta"])
    def test_a_task_that_does_not_wait_until_its_time_is_one(self, option: str) -> None:
        tree = chain(task("t1"), task("t2", options={option: 2.5}))
        late = ("t1 begin", "t1 end", "t0 begin", "t0 end", "t2 begin x", "t2 end")

        assert kinds(account(tree, *late), account(tree, *self.SAME)) == ["order"]

    def test_another_result_is_one(self) -> None:
        other = account(TWO, *self.SAME, result=["SUCCESS", None])

        assert kinds(account(TWO, *self.SAME), other) == ["result"]

    def test_who_refuses_alone_differs_in_nothing_else(self) -> None:
        refused = account(TWO, refused="TypeError: no")

        assert kinds(account(TWO, *self.SAME), refused) == ["refused"]


class TestRows:
    @pytest.mark.parametrize(
        ("end", "state"), [("end", "failed"), ("fail", "succeeded"), ("end", "running")]
    )
    def test_a_row_that_says_something_else_is_found(self, end: str, state: str) -> None:
        ours = account(TWO, "t1 begin", f"t1 {end}", rows={"t1": state})

        assert [each.kind for each in comparing.misrecorded(ours)] == ["row"]

    def test_a_row_that_waits_for_ever_is_found(self) -> None:
        ours = account(TWO, "t1 begin", "t1 fail", rows={"t1": "failed", "t2": "blocked"})

        assert [each.node for each in comparing.misrecorded(ours)] == ["t2"]


class TestReadings:
    def test_a_workflow_that_both_read_alike_has_one(self) -> None:
        tree = chain(task("t1"), group(task("t2"), task("t3")), task("t4"))

        assert [*known.readings(tree)] == [tree]

    def test_inner_groups_are_turned_round_unless_the_outer_one_is_called(self) -> None:
        inner = group(task("t1"), task("t2"))

        called = next(known.readings(group(inner, task("t3"))))
        frozen = next(known.readings(chain(group(inner, task("t3")), task("t4"))))

        assert trees.written(called) == "group(t1, t2, t3)"
        assert trees.written(frozen) == "chain(group(t2, t1, t3), t4)"

    def test_a_group_of_one_is_read_either_way(self) -> None:
        tree = chain(task("t1"), group(task("t2")))

        assert [*map(trees.written, known.readings(tree))] == [
            "chain(t1, t2)",
            "chain(t1, group(t2))",
        ]


class TestDrawing:
    def test_a_seed_is_always_the_same_workflow(self) -> None:
        assert drawing.drawn(7) == drawing.drawn(7)

    def test_no_two_nodes_of_a_workflow_have_the_same_name(self) -> None:
        for seed in range(200):
            names = [node["name"] for node in trees.nodes_of(drawing.drawn(seed))]

            assert len(names) == len(set(names))

    def test_everything_that_a_task_can_do_is_drawn(self) -> None:
        nodes = [node for seed in range(500) for node in trees.nodes_of(drawing.drawn(seed))]

        assert {node["does"] for node in nodes} == {
            *trees.SUCCEEDS, *trees.BREAKS, "replace", "told", "named",
        }  # fmt: skip
        assert {name for node in nodes for name in node.get("options", ())} == {*drawing.OPTIONS}

    def test_a_smaller_workflow_is_written_in_fewer_words(self) -> None:
        tree = drawing.drawn(3)

        assert all(
            len(trees.written(less)) < len(trees.written(tree)) for less in trees.smaller(tree)
        )
