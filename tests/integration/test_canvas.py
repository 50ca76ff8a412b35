"""Celery's own canvas, with every task a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import chain, chord, group

from celery_jobman.models import Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery import Task

    from tests.integration.conftest import Make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def add_body(_self: Any, x: int, y: int = 1) -> int:
    return x + y


def total_body(_self: Any, numbers: list[int]) -> int:
    return sum(numbers)


def fail_body(_self: Any, *_: Any) -> None:
    raise ValueError("no stock")


@pytest.fixture
def add(make: Make) -> Task:
    return make(add_body, "demo.add")


@pytest.fixture
def total(make: Make) -> Task:
    return make(total_body, "demo.total")


@pytest.fixture
def fail(make: Make) -> Task:
    return make(fail_body, "demo.fail")


def recorded() -> list[tuple[str, str]]:
    return sorted(Job.objects.values_list("task", "state"))


def test_a_chain_hands_each_result_to_the_next(add: Task) -> None:
    result = chain(add.s(1, 2), add.s(10), add.s(100))()

    assert result.get() == 113
    assert recorded() == [("demo.add", State.SUCCEEDED)] * 3


def test_a_chain_ends_with_its_first_failure(add: Task, fail: Task) -> None:
    with pytest.raises(ValueError, match="no stock"):
        chain(add.s(1, 2), fail.s(), add.s(100))()

    assert recorded() == [("demo.add", State.SUCCEEDED), ("demo.fail", State.FAILED)]


def test_a_chain_goes_on_after_a_link_that_found_nothing_to_do(make: Make, add: Task) -> None:
    def skip(self: Any) -> None:
        self.skip("nothing new")

    result = chain(make(skip).si(), add.si(1, 2))()

    assert result.get() == 3


def test_a_chain_goes_on_after_a_link_that_needed_two_attempts(make: Make, add: Task) -> None:
    def flaky(self: Any) -> int:
        if self.attempts == 1:
            raise ValueError
        return 5

    result = chain(make(flaky, max_attempts=2).si(), add.s(1))()

    assert result.get() == 6


def test_an_immutable_link_keeps_its_arguments(add: Task) -> None:
    assert chain(add.s(1), add.si(5, 5))().get() == 10


def test_a_group_runs_every_member(add: Task) -> None:
    result = group(add.s(number) for number in range(4))()

    assert result.get() == [1, 2, 3, 4]
    assert len({job.task_id for job in Job.objects.all()}) == 4


def test_a_chord_runs_its_body_with_every_result(add: Task, total: Task) -> None:
    result = chord([add.s(number) for number in range(4)], total.s())()

    assert result.get() == 10
    assert Job.objects.get(task="demo.total").return_value == 10


def test_a_callback_runs_after_a_success(add: Task, total: Task) -> None:
    add.apply_async((1,), link=add.s(100), link_error=total.si([1]))

    results = sorted(job.return_value for job in Job.objects.filter(task="demo.add"))
    assert results == [2, 102]
    assert not Job.objects.filter(task="demo.total").exists()


def test_an_error_callback_runs_after_the_last_failure(make: Make) -> None:
    ran: list[str] = []

    def fail_twice(self: Any) -> None:
        ran.append(f"attempt {self.attempts}")
        raise ValueError("no stock")

    def note(_self: Any, *_: Any) -> None:
        ran.append("callback")

    task, callback = make(fail_twice, "demo.twice", max_attempts=2), make(note, "demo.note")

    task.apply_async(link_error=callback.si())

    assert ran == ["attempt 1", "attempt 2", "callback"]


def test_a_task_that_replaces_itself_is_followed_by_its_successor(make: Make, add: Task) -> None:
    def replaced(self: Any) -> Any:
        return self.replace(add.s(1, 2))

    result = make(replaced).apply()

    assert result.get() == 3
    assert recorded() == [("demo.add", State.SUCCEEDED), ("demo.task", State.SUCCEEDED)]


def test_map_and_chunks_are_recorded_as_celery_runs_them(add: Task) -> None:
    assert add.chunks([(1, 2), (3, 4)], 1)().get() == [[3], [7]]
