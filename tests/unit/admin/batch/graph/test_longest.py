from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from celery_jobman.admin.badges import Badge
from celery_jobman.admin.batch.graph.longest import has_longest, marked
from celery_jobman.admin.batch.graph.parts import GOING_ON, Box, Ending, Node, head_of
from tests.factories import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery_jobman.admin.batch.graph.parts import Element

NEVER = Ending(is_over=True)


def at(minute: int) -> Ending:
    return Ending(is_over=True, at=NOON + timedelta(minutes=minute))


def node(name: str, ending: Ending) -> Node:
    return Node(name=name, badge=Badge("tick", "ok", "word"), ending=ending)


def box(name: str, ending: Ending, *elements: Element) -> Box:
    return Box(head=node(name, ending), elements=elements)


def path(*elements: Element) -> list[str]:
    """Return what is on the longest path, in the order of the drawing."""
    return list(_names(marked(elements)))


def _names(elements: Sequence[Element]) -> Iterator[str]:
    for part in (part for element in elements for part in element):
        if head_of(part).is_longest:
            yield head_of(part).name
        if isinstance(part, Box):
            yield from _names(part.elements)


def test_of_elements_side_by_side_it_is_the_one_that_ended_last() -> None:
    short = (node("a", at(1)), node("b", at(2)))
    long = (node("c", at(1)), node("d", at(5)))

    assert path(short, long, (node("e", at(3)),)) == ["c", "d"]


def test_of_those_that_ended_at_the_same_time_it_is_one() -> None:
    assert path((node("a", at(1)),), (node("b", at(1)),)) == ["a"]


def test_it_goes_through_the_boxes_on_it_and_through_no_other() -> None:
    quick = box("quick", at(2), (node("a", at(1)),), (node("b", at(2)),))
    slow = box("slow", at(9), (node("c", at(4)), node("d", at(9))), (node("e", at(8)),))

    assert path((quick,), (node("f", at(3)), slow)) == ["f", "slow", "c", "d"]


def test_the_links_of_the_only_element_are_on_it_if_there_is_a_choice_below() -> None:
    group = box("group", at(3), (node("b", at(3)),), (node("c", at(2)),))

    assert path((node("a", at(1)), group, node("d", at(4)))) == ["a", "group", "b", "d"]


def test_where_nothing_is_side_by_side_there_is_none() -> None:
    inner = box("inner", at(3), (node("b", at(2)), node("c", at(3))))

    assert path((node("a", at(1)), inner)) == []


def test_there_is_none_while_one_of_them_goes_on() -> None:
    assert path((node("a", at(1)),), (node("b", at(2)), node("c", GOING_ON))) == []


def test_a_box_that_has_ended_is_looked_at_while_what_is_around_it_goes_on() -> None:
    group = box("group", at(3), (node("b", at(3)),), (node("c", at(2)),))
    alone = box("alone", at(3), (node("d", at(3)),))

    assert path((group, node("e", GOING_ON)), (alone,)) == ["b"]


def test_a_box_that_goes_on_inside_one_that_has_ended_has_none() -> None:
    odd = box("odd", at(3), (node("b", GOING_ON),), (node("c", at(2)),))

    assert path((odd,), (node("a", at(1)),)) == ["odd"]


def test_what_never_began_is_on_no_path() -> None:
    skipped = box("skipped", NEVER, (node("c", NEVER),), (node("d", NEVER),))

    assert path((node("a", at(4)), skipped), (node("e", at(3)),)) == ["a"]


def test_what_never_began_is_no_choice() -> None:
    assert path((node("a", at(4)),), (node("b", NEVER),)) == []
    assert path((node("a", NEVER),), (node("b", NEVER),)) == []


def test_a_box_on_it_of_which_nothing_began_has_no_path() -> None:
    closed = box("closed", at(4), (node("a", NEVER),), (node("b", NEVER),))

    assert path((closed,), (node("c", at(1)),)) == ["closed"]


def test_an_empty_graph_has_none() -> None:
    assert path() == []


def test_what_is_marked_is_noticed_at_any_depth() -> None:
    group = box("group", at(3), (node("b", at(3)),), (node("c", at(2)),))
    running = marked(((group, node("e", GOING_ON)),))

    assert has_longest(running)
    assert not has_longest(((group,),))


def test_nothing_else_is_changed() -> None:
    one, other = node("a", at(1)), node("b", GOING_ON)

    assert marked(((one,), (other,))) == ((one,), (other,))
