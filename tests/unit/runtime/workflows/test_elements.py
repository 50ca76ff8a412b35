"""Members that can be read once, many times, or not at all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from celery_jobman import batch, chain, group
from celery_jobman.exceptions import MembersRefused, MembersUsedUp, NotASignature
from celery_jobman.models import Batch, Job
from celery_jobman.testing import run_jobs
from tests.workflows import deed, did, note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db


def two() -> Iterator[Any]:
    yield deed.si("a")
    yield deed.si("b")


def broken() -> Iterator[Any]:
    yield deed.si("a")
    yield 7


def test_a_generator_is_not_dispatched_twice() -> None:
    flow = batch(two()).then(note.s("then"))
    flow.dispatch()

    with pytest.raises(MembersUsedUp, match="generator that was read before"):
        flow.dispatch()

    assert (Batch.objects.count(), Job.objects.count()) == (1, 2)


def test_a_generator_is_not_dispatched_again_after_a_rollback() -> None:
    flow = batch(two()).then(note.s("then"))
    with transaction.atomic():
        flow.dispatch()
        transaction.set_rollback(True)

    with pytest.raises(MembersUsedUp):
        flow.dispatch()

    assert not Batch.objects.exists()


def test_a_generator_is_not_dispatched_again_after_a_failure_halfway() -> None:
    flow = batch(broken())
    with pytest.raises(NotASignature):
        flow.dispatch()

    with pytest.raises(MembersUsedUp):
        flow.dispatch()

    assert not Batch.objects.exists()


SECOND: dict[str, Callable[[Any], Any]] = {
    "the same": lambda flow: flow.delay(),
    "changed": lambda flow: flow.set(queue="slow").finally_(note.s("f")).dispatch(),
    "called": lambda flow: flow.apply_async(),
    "inside a chain": lambda flow: chain(deed.s("c"), flow).dispatch(),
    "twice in one": lambda flow: batch([flow, flow]).dispatch(),
}


@pytest.mark.parametrize("second", SECOND)
def test_a_generator_is_not_read_again_in_whatever_flow_it_is(second: str) -> None:
    flow = batch(two())
    flow.apply_async()

    with pytest.raises(MembersUsedUp):
        SECOND[second](flow)

    assert Batch.objects.count() == 1


def test_one_generator_is_not_the_members_of_two_flows() -> None:
    members = two()
    batch(members).dispatch()

    for again in (batch(members), partial(group, members), partial(chain, members)):
        with pytest.raises(MembersUsedUp):
            again.dispatch() if hasattr(again, "dispatch") else again()


def test_a_generator_is_not_added_twice() -> None:
    live = batch([deed.si("c")]).dispatch()
    members = two()
    assert live.add(members) == 2

    with pytest.raises(MembersUsedUp):
        live.add(members)

    assert live.row.total == 3


@pytest.mark.parametrize("make", [map, filter])
def test_any_iterator_is_dispatched_once(make: Any) -> None:
    flow = batch(make(lambda each: each, [deed.si("a")]))
    flow.dispatch()

    with pytest.raises(MembersUsedUp):
        flow.dispatch()


@pytest.mark.parametrize("members", [two, lambda: [deed.si("a"), deed.si("b")], list(two())])
def test_a_function_or_a_list_is_read_anew_each_time(members: Any) -> None:
    flow = batch(members)
    flow.dispatch()

    second = flow.dispatch()

    run_jobs()
    assert second.row.total == 2
    assert sorted(did()) == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    "members",
    [
        {1, 2}, frozenset(), {}, {"a": 1}, "ab", b"ab", deed, deed.s("a"), group(deed.s("a")), 7,
        None,
    ],
)  # fmt: skip
def test_what_has_no_order_or_no_members_is_refused(members: Any) -> None:
    with pytest.raises(MembersRefused, match="give a list"):
        batch(members)
    live = batch([deed.s("a")]).dispatch()
    with pytest.raises(MembersRefused, match="give a list"):
        live.add(members)

    assert live.row.total == 1


@pytest.mark.parametrize("make", [group, chain])
def test_flows_in_a_set_have_no_order_to_run_or_return_in(make: Any) -> None:
    with pytest.raises(MembersRefused, match="set"):
        make({group(deed.s("a")), group(deed.s("b"))})
