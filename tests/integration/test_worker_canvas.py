"""Celery's own canvas on a real worker, with every task a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import chain, chord, group, states

from celery_jobman.models import Job
from celery_jobman.states import State
from tests.integration.workers import eventually

if TYPE_CHECKING:
    from celery import Task

    from tests.integration.conftest import Make


def add_body(_self: Any, x: int, y: int = 1) -> int:
    return x + y


def total_body(_self: Any, numbers: list[int]) -> int:
    return sum(numbers)


def flaky_body(self: Any, x: int) -> int:
    if self.attempts == 1:
        raise ValueError("no stock")
    return x + 1


def fail_body(_self: Any, *_: Any) -> None:
    raise ValueError("no stock")


@pytest.fixture
def add(employ: Make) -> Task:
    return employ(add_body, "demo.add")


@pytest.fixture
def total(employ: Make) -> Task:
    return employ(total_body, "demo.total")


@pytest.fixture
def flaky(employ: Make) -> Task:
    return employ(flaky_body, "demo.flaky", max_attempts=2)


def ended(count: int) -> dict[str, list[str]]:
    """Return the states of jobs by task, once so many have ended."""
    eventually(lambda: Job.objects.exclude(finished_at=None).count() == count)
    found: dict[str, list[str]] = {}
    for task, state in Job.objects.values_list("task", "state"):
        found.setdefault(task, []).append(state)
    return found


def test_a_chain_hands_each_result_to_the_next(add: Task) -> None:
    result = chain(add.s(1, 2), add.s(10), add.s(100))()

    assert result.get(timeout=20) == 113
    assert ended(3) == {"demo.add": [State.SUCCEEDED] * 3}
    assert len(set(Job.objects.values_list("root_id", flat=True))) == 1


def test_a_chain_goes_on_after_a_link_that_needed_two_attempts(add: Task, flaky: Task) -> None:
    result = chain(add.s(1, 2), flaky.s(), add.s(100))()

    assert result.get(timeout=20) == 104
    assert ended(3) == {"demo.add": [State.SUCCEEDED] * 2, "demo.flaky": [State.SUCCEEDED]}


def test_a_chain_ends_with_its_failure(employ: Make, add: Task) -> None:
    result = chain(add.s(1, 2), employ(fail_body, "demo.fail").s(), add.s(100))()

    found = ended(3)
    assert found["demo.fail"] == [State.FAILED]
    assert sorted(found["demo.add"]) == [State.SKIPPED, State.SUCCEEDED]
    eventually(lambda: result.parent.state == states.FAILURE)


def test_a_group_runs_every_member(add: Task) -> None:
    result = group(add.s(number) for number in range(4))()

    assert result.get(timeout=20) == [1, 2, 3, 4]
    ended(4)
    assert len(set(Job.objects.values_list("group_id", flat=True))) == 1


@pytest.mark.parametrize("link", ["add", "flaky"])
def test_a_chord_runs_its_body_with_every_result(
    add: Task, flaky: Task, total: Task, link: str
) -> None:
    task = {"add": add, "flaky": flaky}[link]

    result = chord([task.s(number) for number in range(4)], total.s())()

    assert result.get(timeout=20) == 10
    assert Job.objects.get(task="demo.total").return_value == 10


def test_a_callback_runs_after_a_success_and_an_error_callback_after_a_failure(
    employ: Make, add: Task
) -> None:
    note = employ(add_body, "demo.note")
    fail = employ(fail_body, "demo.fail")

    add.apply_async((1,), link=note.s(), link_error=note.si(100))
    fail.apply_async((), link=note.si(200), link_error=note.si(300))

    assert sorted(ended(5)["demo.note"]) == [State.SKIPPED, State.SUCCEEDED, State.SUCCEEDED]
    notes = Job.objects.filter(task="demo.note", state=State.SUCCEEDED)
    assert {job.return_value for job in notes} == {3, 301}
