from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.admin.batch.graph import reading
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import begun_batch, linked, member, nested, unsaved_job

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from celery_jobman.models import Job


def chain(count: int) -> list[Job]:
    ids = [uuid7() for _ in range(count)]
    before = [None, *ids]
    return [unsaved_job(id=pk, follows_id=before[n], position=0) for n, pk in enumerate(ids)]


def test_links_stand_behind_those_that_they_follow() -> None:
    links = chain(4)

    for shuffled in permutations(links):
        assert reading.sequence(list(shuffled)) == links


def test_links_whose_neighbours_are_missing_are_there_all_the_same() -> None:
    one, _two, three, four = chain(4)

    assert reading.sequence([one, three, four]) == [one, three, four]


def test_links_that_follow_one_another_in_a_circle_are_there_all_the_same() -> None:
    one, two = chain(2)
    one.follows_id = two.pk

    assert reading.sequence([one, two]) == [one, two]


def test_elements_stand_in_the_order_of_their_positions() -> None:
    rows = [unsaved_job(position=position) for position in (2, 10, 0, None)]

    found = reading.elements(rows)

    assert [element[0].position for element in found] == [0, 2, 10, None]


@pytest.mark.django_db
def test_a_batch_is_read_whole_or_not_at_all(seen_by: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 5)
    whole = begun_batch(total=3)
    big = nested(whole, total=3)
    small = nested(whole, total=2, position=1)
    last = member(whole, position=2)
    for each in (big, small):
        for position in range(each.total):
            member(each, position=position)

    found = reading.read(seen_by(whole)).inside

    assert found.keys() == {whole.pk, small.pk}
    assert found[whole.pk] == [[big], [small], [last]]
    assert len(found[small.pk]) == 2


@pytest.mark.django_db
def test_callbacks_are_no_members(seen_by: Any) -> None:
    whole = begun_batch(total=1)
    job = member(whole)
    member(whole, role="then", position=None)

    assert reading.read(seen_by(whole)).inside == {whole.pk: [[job]]}


@pytest.mark.django_db
def test_each_level_costs_the_same_however_wide_it_is(
    seen_by: Any, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def cost(width: int) -> int:
        whole = begun_batch(total=width)
        for position in range(width):
            inner = nested(whole, total=2, position=position)
            linked(*[member(inner, State.BLOCKED) for _ in range(2)])
        with django_assert_max_num_queries(10) as queries:
            reading.read(seen_by(whole))
        return len(queries.captured_queries)

    assert cost(1) == cost(30)
