from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.admin.batch.graph.folding import ALIKE, Folder
from celery_jobman.admin.batch.graph.parts import Box, Ending, Node, nodes
from celery_jobman.admin.batch.graph.reading import read
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, begun_batch, linked, member, nested

if TYPE_CHECKING:
    from celery_jobman.admin.batch.graph.parts import Element
    from celery_jobman.models import Batch

pytestmark = pytest.mark.django_db

MANY = ALIKE + 1


def folded(subject: Any, most: int = 300) -> tuple[Element, ...]:
    return Folder(subject, read(subject)).whole(most)


def fan(of: Batch, states: list[State], **fields: Any) -> None:
    for position, state in enumerate(states):
        member(of, state, position=position, **fields)


def test_a_few_equal_jobs_are_drawn_one_by_one(seen_by: Any) -> None:
    whole = begun_batch(total=ALIKE)
    fan(whole, [State.QUEUED] * ALIKE)

    assert nodes(folded(seen_by(whole))) == ALIKE


def test_many_equal_jobs_are_one_node_with_counts(seen_by: Any) -> None:
    states = [State.SUCCEEDED] * 8 + [State.FAILED] * 3 + [State.RUNNING] * 2 + [State.QUEUED]
    whole = begun_batch(total=len(states))
    fan(whole, states, task="shop.tasks.import_branch")

    ((node,),) = folded(seen_by(whole))

    assert isinstance(node, Node)
    assert (node.name, node.times) == ("import_branch", 14)
    assert node.note == "11 of 14, 3 failed"
    assert node.said == "import_branch, 8 of 14 succeeded, 3 failed"
    assert node.badge.word == "Failed"
    assert f"{whole.pk}/change/?show=failed#jm-members" in node.href


def test_others_stay_beside_the_many(seen_by: Any) -> None:
    whole = begun_batch(total=MANY + 1)
    fan(whole, [State.SUCCEEDED] * MANY)
    member(whole, State.SUCCEEDED, task="demo.other", position=MANY)

    names = [[part.name for part in element] for element in folded(seen_by(whole))]  # type: ignore[union-attr]

    assert names == [["add"], ["other"]]


def test_many_equal_sequences_are_one_sequence(seen_by: Any) -> None:
    whole = begun_batch(total=2 * MANY)
    for position in range(MANY):
        first = member(whole, State.SUCCEEDED, task="demo.a", position=position)
        linked(first, member(whole, State.BLOCKED, task="demo.b", position=position))

    ((one, two),) = folded(seen_by(whole))

    assert isinstance(one, Node)
    assert isinstance(two, Node)
    assert (one.name, one.times, one.badge.word) == ("a", MANY, "Succeeded")
    assert (two.name, two.times, two.badge.word) == ("b", MANY, "Blocked")


def test_a_batch_inside_is_unfolded(seen_by: Any) -> None:
    whole = begun_batch(kind="chord", total=2)
    group = nested(whole, kind="group", total=2)
    fan(group, [State.SUCCEEDED, State.RUNNING])
    linked(group, member(whole, State.BLOCKED, task="demo.body"))

    ((box, body),) = folded(seen_by(whole))

    assert isinstance(box, Box)
    assert (box.head.name, box.head.note) == ("Group", "0 of 2")
    assert box.head.href.endswith(f"/{group.pk}/change/")
    assert [part.badge.word for (part,) in box.elements] == ["Succeeded", "Running"]  # type: ignore[union-attr]
    assert isinstance(body, Node)


def test_batches_are_unfolded_only_as_far_as_there_is_room(seen_by: Any) -> None:
    whole = begun_batch(total=3)
    for position in range(3):
        inner = nested(whole, name=str(position), total=4, position=position)
        for each in range(4):
            member(inner, task=f"demo.{each}", position=each)

    found = folded(seen_by(whole), most=9)

    assert [isinstance(part, Box) for (part,) in found] == [True, True, False]
    assert nodes(found) == 9


def test_many_equal_batches_are_one_node(seen_by: Any) -> None:
    whole = begun_batch(total=MANY)
    for position in range(MANY):
        nested(whole, kind="chain", name="order", total=2, position=position)

    ((node,),) = folded(seen_by(whole))

    assert isinstance(node, Node)
    assert (node.name, node.times, node.said) == ("order", MANY, "order, 0 of 13 succeeded")


def test_a_node_says_its_job_its_state_and_how_long_it_took(seen_by: Any) -> None:
    whole = begun_batch(total=2)
    member(whole, State.SUCCEEDED, task="shop.tasks.extract")
    member(whole, State.QUEUED, label="Split of May", position=1)

    ((done,), (waits,)) = folded(seen_by(whole))

    assert isinstance(done, Node)
    assert isinstance(waits, Node)
    assert (done.said, done.note) == ("extract, Succeeded, 5m", "Succeeded · 5m")
    assert (waits.said, waits.note) == ("Split of May, Queued", "Queued")


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([State.SUCCEEDED], "Succeeded"),
        ([State.SUCCEEDED, State.QUEUED], "Running"),
        ([State.QUEUED], "Blocked"),
        ([State.CANCELLED, State.SUCCEEDED], "Cancelled"),
        ([State.SKIPPED], "Skipped"),
        ([State.RUNNING, State.FAILED], "Failed"),
    ],
)
def test_many_are_shown_in_the_state_that_matters_most(
    seen_by: Any, states: list[State], word: str
) -> None:
    whole = begun_batch(total=MANY)
    fan(whole, (states * MANY)[:MANY])

    ((node,),) = folded(seen_by(whole))

    assert isinstance(node, Node)
    assert node.badge.word == word


def endings(subject: Any) -> list[Ending]:
    return [part.ending for element in folded(subject) for part in element]  # type: ignore[union-attr]


def test_a_node_knows_when_its_job_ended(seen_by: Any) -> None:
    whole = begun_batch(total=5)
    member(whole, State.SUCCEEDED, finished_at=LATER)
    member(whole, State.RUNNING, position=1)
    member(whole, State.CANCELLED, position=2, started_at=None, attempt=0)
    member(whole, State.SKIPPED, position=3)
    member(whole, State.QUEUED, position=4, started_at=EARLIER)

    assert endings(seen_by(whole)) == [
        *(Ending(is_over=True, at=LATER), Ending()),
        *(Ending(is_over=True), Ending(is_over=True), Ending()),
    ]


def test_a_node_knows_when_its_batch_ended(seen_by: Any) -> None:
    whole = begun_batch(total=2)
    nested(whole, State.SUCCEEDED, total=9_000, finished_at=LATER)
    nested(whole, State.SKIPPED, total=9_000, started_at=None, position=1)

    assert endings(seen_by(whole)) == [Ending(is_over=True, at=LATER), Ending(is_over=True)]


def test_a_node_of_many_knows_when_the_last_ended(seen_by: Any) -> None:
    whole = begun_batch(total=MANY)
    fan(whole, [State.SUCCEEDED] * (MANY - 1))
    member(whole, State.FAILED, position=MANY, finished_at=LATER)

    assert endings(seen_by(whole)) == [Ending(is_over=True, at=LATER)]


def test_many_are_not_over_while_one_goes_on(seen_by: Any) -> None:
    whole = begun_batch(total=MANY)
    fan(whole, [State.SUCCEEDED] * (MANY - 1))
    member(whole, State.RUNNING, position=MANY)

    assert endings(seen_by(whole)) == [Ending(is_over=False, at=NOON)]


def test_many_that_never_began_ended_at_no_time(seen_by: Any) -> None:
    whole = begun_batch(total=MANY)
    fan(whole, [State.CANCELLED] * MANY, started_at=None, attempt=0)

    assert endings(seen_by(whole)) == [Ending(is_over=True)]
