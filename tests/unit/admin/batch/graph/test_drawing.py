from __future__ import annotations

import xml.etree.ElementTree as ET

from celery_jobman.admin.badges import LOOKS, Badge
from celery_jobman.admin.batch.bar import Counts
from celery_jobman.admin.batch.graph.axis import DOWN
from celery_jobman.admin.batch.graph.drawing import svg
from celery_jobman.admin.batch.graph.parts import Box, Node

HOSTILE = '<script>alert(1)</script>"&'


def node(name: str, **fields: object) -> Node:
    defaults = {"badge": Badge("tick", "ok", "Succeeded"), "said": f"{name}, Succeeded"}
    return Node(name=name, href=f"/{name}/", **{**defaults, **fields})  # type: ignore[arg-type]


def links(drawing: str) -> list[str | None]:
    return [link.get("aria-label") for link in ET.fromstring(drawing).iter("a")]  # noqa: S314 - ours


def test_every_node_is_a_link_in_the_order_in_which_it_runs() -> None:
    box = Box(head=node("group"), elements=((node("a"),), (node("b"),)))

    drawing = svg(((node("first"), box, node("last")),), "Graph")

    assert links(drawing) == [f"{name}, Succeeded" for name in ("first", "group", "a", "b", "last")]


def test_a_line_inside_of_a_box_is_not_covered_by_it() -> None:
    box = Box(head=node("group"), elements=((node("a"), node("b")),))

    drawing = svg(((box,),), "Graph")

    assert drawing.index("jm-graph-box") < drawing.index("jm-graph-line")


def test_hostile_names_are_only_text() -> None:
    named = node(HOSTILE, note=HOSTILE)

    drawing = svg(((named, Box(head=named, elements=((named,),))),), HOSTILE)

    assert "<script" not in drawing
    assert len(links(drawing)) == 3


def test_nothing_of_it_is_styled_in_place() -> None:
    counts = Counts(succeeded=812, failed=3, pending=185)
    looks = [Badge(*look, "word") for look in LOOKS.values()]

    drawing = svg(tuple((node("n", badge=b, counts=counts, times=1000),) for b in looks), "Graph")

    assert "style=" not in drawing
    assert "×1,000" in drawing  # noqa: RUF001 - a sign of multiplication
    assert drawing.count('class="jm-seg-failed"') == len(looks)


def test_what_may_not_be_seen_is_no_link() -> None:
    hidden = Node(name="n", badge=Badge("tick", "ok", "Succeeded"), said="n, Succeeded")

    drawing = svg(((hidden,),), "Graph")

    assert links(drawing) == []
    assert 'aria-label="n, Succeeded"' in drawing


def test_ids_of_icons_and_drawings_are_not_repeated() -> None:
    drawing = svg(((node("a"), node("b")),), "Graph")

    ids = [each.get("id") for each in ET.fromstring(drawing).iter() if each.get("id")]  # noqa: S314 - ours
    assert len(ids) == len(set(ids))


def classes(drawing: str) -> list[list[str]]:
    """Return the classes of all that is on the longest path."""
    elements = ET.fromstring(drawing).iter()  # noqa: S314 - ours
    found = [each.get("class", "").split() for each in elements]
    return [each for each in found if "jm-graph-longest" in each]


def test_the_longest_path_is_bold_and_said() -> None:
    long, short = node("long", is_longest=True), node("short")
    box = Box(head=node("group", is_longest=True), elements=((long,), (short,)))

    drawing = svg(((long, box),), "Graph")

    assert [each[0] for each in classes(drawing)] == [
        *("jm-graph-face", "jm-graph-box", "jm-graph-face", "jm-graph-line")
    ]
    assert links(drawing) == [
        *("long, Succeeded, on the longest path", "group, Succeeded, on the longest path"),
        *("long, Succeeded, on the longest path", "short, Succeeded"),
    ]


def test_without_a_longest_path_nothing_is_bold() -> None:
    drawing = svg(((node("a"), Box(head=node("b"), elements=((node("c"),),))),), "Graph")

    assert classes(drawing) == []


def test_lines_point_the_way_that_the_graph_runs() -> None:
    chain = ((node("a"), node("b")),)

    right, down = svg(chain, "Graph"), svg(chain, "Graph", DOWN)

    assert 'd="M216 25H254m-6 -4l6 4l-6 4"' in right
    assert 'd="M108 50V88m-4 -6l4 6l4 -6"' in down
    assert links(right) == links(down)
