from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db.models import Count

from celery_jobman.core import sources
from celery_jobman.models import Job
from tests.factories import queued_job, runner_of, running_job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("source", [{"a", "b"}, frozenset("ab"), {"a": 1}.keys() & {"a"}])
def test_a_set_is_refused_because_another_process_has_it_in_another_order(source: Any) -> None:
    with pytest.raises(TypeError, match=r"'load' cannot loop over this \w*set: .* sorted\("):
        runner_of(running_job()).iterate("load", source)


def test_a_set_that_a_function_returns_is_refused() -> None:
    rows = runner_of(running_job()).iterate("load", lambda _: {"a", "b"})

    with pytest.raises(TypeError, match="'load' cannot loop over this set"):
        list(rows)


@pytest.mark.parametrize("source", [{"b": 1, "a": 2}, {"b": 1, "a": 2}.keys()])
def test_a_dictionary_has_the_order_in_which_it_was_made(source: Any) -> None:
    assert list(runner_of(running_job()).iterate("load", source)) == ["b", "a"]


async def rows() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "this NoneType: it is no iterable, and no function that returns one"),
        (7, "this int: it is no iterable"),
        (rows(), "this async_generator: it is no iterable"),
        (Job.objects, r"Manager\S*: give it \.all\(\)"),
        (Job.objects.order_by("?"), "QuerySet: its order is random"),
        (Job.objects.order_by()[:3], r'QuerySet: it has no order; .*\.order_by\("pk"\)\[:10\]'),
        (Job.objects.order_by().values("task").annotate(n=Count("pk")), "it has no order"),
        (Job.objects.order_by().values("task").distinct(), "it has no order"),
    ],
)
def test_what_has_no_order_to_go_on_in_is_refused_with_the_fix(source: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        runner_of(running_job()).iterate("load", source)


def test_a_slice_with_an_order_is_sliced_again() -> None:
    found = sorted((queued_job() for _ in range(5)), key=lambda row: row.id)
    source = Job.objects.order_by("pk")[1:4]

    assert list(sources.read(source, "load", None, 1)) == found[2:4]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 1.5}, TypeError, "every must be a whole number, not 1.5"),
        ({"every": True}, TypeError, "every must be a whole number, not True"),
        ({"total": "9"}, TypeError, "total must be a whole number, not '9'"),
        ({"total": -1}, ValueError, "total must be at least 0, not -1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        runner_of(running_job()).iterate("load", "abc", **options)


def test_a_total_that_no_column_holds_is_cut_off() -> None:
    job = running_job()

    list(runner_of(job).iterate("load", "abc", total=10**30))

    assert job.steps.get().total == 2**63 - 1


async def save(item: str) -> None: ...


def test_a_coroutine_function_would_never_run() -> None:
    with pytest.raises(TypeError, match="each is a coroutine function"):
        runner_of(running_job()).iterate("load", "abc", each=save)
