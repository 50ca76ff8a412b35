"""Random graphs: nothing lies on anything else, and no line crosses a node."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from celery_jobman.admin.badges import Badge
from celery_jobman.admin.batch.graph.axis import DOWN, RIGHT
from celery_jobman.admin.batch.graph.parts import Box, Node, nodes
from celery_jobman.admin.batch.graph.placing import HEIGHT, TITLE, WIDTH, Placed, Plan

if TYPE_CHECKING:
    from celery_jobman.admin.batch.graph.axis import Axis
    from celery_jobman.admin.batch.graph.parts import Element
    from celery_jobman.admin.batch.graph.placing import Line

#: Boxes inside one another.
DEEPEST = 3


def node(tone: str = "ok") -> Node:
    return Node(name="n", badge=Badge("tick", tone, "word"))


def elements(chance: Random, depth: int) -> tuple[Element, ...]:
    """Return elements side by side, the fewer the deeper they are."""
    wide = chance.choice([1, 2, 3, 4, 12]) if depth < DEEPEST else 2
    return tuple(sequence(chance, depth) for _ in range(wide))


def sequence(chance: Random, depth: int) -> Element:
    return tuple(link(chance, depth) for _ in range(chance.choice([1, 1, 2, 3])))


def link(chance: Random, depth: int) -> Node | Box:
    if depth == DEEPEST or chance.random() < 0.8:
        return node()
    return Box(head=node(), elements=elements(chance, depth + 1))


#: A random tree for each number; building it step by step would take hypothesis far longer.
GRAPHS = st.integers(0, 2**32).map(lambda seed: elements(Random(seed), 0))
WIDE = st.integers(1, 60).map(lambda count: tuple((node(),) for _ in range(count)))

AXES = st.sampled_from([RIGHT, DOWN])


def overlap(one: Placed, other: Placed) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


def within(inner: Placed, outer: Placed) -> bool:
    return (
        outer.x < inner.x
        and inner.x + inner.width < outer.x + outer.width
        and outer.y < inner.y
        and inner.y + inner.height < outer.y + outer.height
    )


def ends(line: Line, axis: Axis) -> tuple[float, float]:
    """Return where a line ends."""
    return (line.x, line.to) if axis.is_down else (line.to, line.y)


def taken(line: Line, axis: Axis) -> Placed:
    """Return the room that a line takes."""
    x, y = ends(line, axis)
    return Placed(node(), line.x, line.y, x - line.x, y - line.y)


@given(GRAPHS | WIDE, AXES)
def test_nothing_overlaps_but_a_box_and_what_is_inside_of_it(
    graph: tuple[Element, ...], axis: Axis
) -> None:
    for one, other in combinations(Plan(graph, axis).placed, 2):
        if overlap(one, other):
            assert within(other, one)
            assert isinstance(one.part, Box)


@given(GRAPHS, AXES)
def test_everything_of_a_box_is_inside_of_it_below_its_title(
    graph: tuple[Element, ...], axis: Axis
) -> None:
    plan = Plan(graph, axis)

    for box in plan.placed:
        if isinstance(box.part, Box):
            inside = [one for one in plan.placed if one is not box and within(one, box)]
            drawn = [one for one in inside if isinstance(one.part, Node)]
            assert len(drawn) == nodes(box.part.elements)
            assert all(one.y >= box.y + TITLE for one in inside)


@given(GRAPHS, AXES)
def test_no_line_crosses_a_node(graph: tuple[Element, ...], axis: Axis) -> None:
    plan = Plan(graph, axis)

    for line in plan.lines:
        room = taken(line, axis)
        assert room.width + room.height > 0
        crossed = [one for one in plan.placed if overlap(one, room)]
        assert all(isinstance(one.part, Box) and within(room, one) for one in crossed)


@given(GRAPHS, AXES)
def test_a_line_leads_from_the_middle_of_a_link_to_the_middle_of_the_next(
    graph: tuple[Element, ...], axis: Axis
) -> None:
    plan = Plan(graph, axis)

    begins, leaves = set(), set()
    for one in plan.placed:
        x, y = one.x + one.width / 2, one.y + one.height / 2
        begins.add((x, one.y) if axis.is_down else (one.x, y))
        leaves.add((x, one.y + one.height) if axis.is_down else (one.x + one.width, y))
    for line in plan.lines:
        assert (line.x, line.y) in leaves
        assert ends(line, axis) in begins


@given(GRAPHS | WIDE, AXES)
def test_every_node_is_placed_once_inside_of_the_drawing(
    graph: tuple[Element, ...], axis: Axis
) -> None:
    plan = Plan(graph, axis)

    placed = [one for one in plan.placed if isinstance(one.part, Node)]
    assert len(placed) == nodes(graph)
    assert {(one.width, one.height) for one in placed} == {(WIDTH, HEIGHT)}
    for one in plan.placed:
        assert one.x >= 0
        assert one.y >= 0
        assert one.x + one.width <= plan.width + 0.1
        assert one.y + one.height <= plan.height + 0.1


def test_links_stand_behind_one_another_in_the_order_of_the_keyboard() -> None:
    box = Box(head=node("run"), elements=((node(),), (node(),)))

    plan = Plan(((node(), box, node()),))

    first, outer, *inside, last = plan.placed
    assert first.x < outer.x < inside[0].x < last.x
    assert inside[0].y < inside[1].y
    assert [line.is_done for line in plan.lines] == [True, False]


def test_links_stand_below_one_another_when_the_graph_runs_down() -> None:
    box = Box(head=node("run"), elements=((node(),), (node(),)))

    plan = Plan(((node(), box, node()),), DOWN)

    first, outer, *inside, last = plan.placed
    assert first.y < outer.y < inside[0].y < last.y
    assert inside[0].x < inside[1].x
    assert [line.is_done for line in plan.lines] == [True, False]


def test_many_single_nodes_stand_in_columns_or_in_rows() -> None:
    many = tuple((node(),) for _ in range(24))

    right, down = (Plan(many, axis).placed for axis in (RIGHT, DOWN))

    assert len({one.y for one in right}) == 8
    assert len({one.x for one in right}) == 3
    assert len({one.x for one in down}) == 4
    assert len({one.y for one in down}) == 6


def test_a_line_is_on_the_longest_path_if_both_its_ends_are() -> None:
    longest, other = replace(node(), is_longest=True), node()

    plan = Plan(((longest, Box(head=longest, elements=((other,),)), other),))

    assert [line.is_longest for line in plan.lines] == [True, False]
