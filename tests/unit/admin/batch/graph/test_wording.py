from __future__ import annotations

from celery_jobman.admin.badges import Badge
from celery_jobman.admin.batch.graph import wording
from celery_jobman.admin.batch.graph.parts import Box, Node


def node(name: str, *, times: int = 1, is_longest: bool = False) -> Node:
    badge, said = Badge("tick", "ok", "Succeeded"), f"{name}, Succeeded"
    return Node(name=name, badge=badge, said=said, times=times, is_longest=is_longest)


def test_the_sentence_counts_the_nodes() -> None:
    box = Box(head=node("group"), elements=((node("a"),), (node("b"),)))

    assert wording.summary(((box,),)) == "Graph of 2 nodes"
    assert wording.summary(((node("a"),),)) == "Graph of 1 node"


def test_a_node_on_the_longest_path_says_so() -> None:
    assert wording.said(node("a")) == "a, Succeeded"
    assert wording.said(node("a", is_longest=True)) == "a, Succeeded, on the longest path"


def test_the_table_has_a_row_for_each_node_and_each_box() -> None:
    box = Box(head=node("group", is_longest=True), elements=((node("a", times=1_000),),))

    rows = list(wording.table(((node("first"), box, node("last")),)))

    assert [(row.name, row.after, row.depth) for row in rows] == [
        *(("first", "", 0), ("group", "first", 0), ("a", "", 1), ("last", "group", 0)),
    ]
    assert [row.times for row in rows] == ["", "", "1,000 times", ""]
    assert [row.is_longest for row in rows] == [False, True, False, False]


def test_the_table_is_indented_only_so_far() -> None:
    deep = node("a")
    for _ in range(wording.DEEPEST + 3):
        deep = Box(head=node("box"), elements=((deep,),))  # type: ignore[assignment]

    assert max(row.depth for row in wording.table(((deep,),))) == wording.DEEPEST
