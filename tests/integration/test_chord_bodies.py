"""Chords run by a worker: the rows that wait from the first publish are those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import chain, chord, group

from celery_jobman import actions
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.integration.workers import eventually
from tests.workflows import broken, deed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Task

    from tests.integration.conftest import Make

SECONDS = 30

a, b, c, x, y, z = (deed.s(name) for name in "abcxyz")

SHAPES = {
    "plain": chord([a, b], z),
    "pipe": group(a, b) | z,
    "chain first": chord([chain(a, b), c], z),
    "chain last": chord([a, chain(b, c)], z),
    "chain as body": chord([a, b], chain(y, z)),
    "group as body": chord([a, b], group(y, z)),
    "group in header": chord([group(a, b), c], z),
    "chord first": chord([chord([a, b], y), c], z),
    "chord last": chord([c, chord([a, b], y)], z),
    "chord as body": chord([a, b], chord([x, y], z)),
    "chunks": chord(deed.chunks([("a",), ("b",), ("c",)], 2).group(), z),
}


@pytest.fixture(autouse=True)
def crew(employ: Make) -> Iterator[Make]:
    """Let a worker run the deeds."""
    broken.clear()
    yield employ
    broken.clear()


@pytest.fixture
def plain(app: Celery, crew: Make) -> Iterator[Task]:
    """Return a task whose calls make no jobs."""

    def nothing(*given: str) -> str:
        return given[-1]

    yield crew(nothing, name="chords.plain", bind=False, track=False)
    app.tasks.pop("chords.plain", None)


@pytest.fixture
def swapping(crew: Make) -> Task:
    """Return a task that replaces itself by a deed."""

    def swap(self: Any, name: str) -> Any:
        return self.replace(deed.si(name))

    return crew(swap, name="chords.swap")


def ids() -> set[Any]:
    return set(Job.objects.values_list("pk", flat=True))


def wait_for_the_end() -> None:
    eventually(lambda: not Job.objects.filter(finished_at=None).exists(), SECONDS)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_that_waited_runs(shape: str) -> None:
    result = SHAPES[shape]()
    known = ids()

    result.get(timeout=SECONDS, interval=0.01)
    wait_for_the_end()

    assert ids() == known
    assert set(Job.objects.values_list("state", flat=True)) == {State.SUCCEEDED}


def test_a_failure_skips_the_body_and_all_after_it() -> None:
    broken.add("b")
    header = [chain(deed.s("a"), deed.s("b")), deed.s("c")]
    chord(header)(deed.s("y") | deed.s("z"))

    wait_for_the_end()

    skipped = Job.objects.filter(state=State.SKIPPED)
    assert [job.arguments[0][-1] for job in skipped.order_by("id")] == ["y", "z"]
    assert {job.stopped_by for job in skipped} == {Job.objects.get(state=State.FAILED).pk}


def test_a_member_that_is_retried_does_not_bring_the_body_back() -> None:
    broken.add("b")
    chord([deed.s("a"), deed.s("b")])(deed.s("z"))
    wait_for_the_end()
    broken.clear()

    actions.retry(Job.objects.get(state=State.FAILED).pk)
    wait_for_the_end()

    assert Job.objects.filter(state=State.SKIPPED).count() == 1
    assert Job.objects.count() == 3


@pytest.mark.parametrize("at", [0, 1, 2])
def test_with_a_plain_task_in_the_header_the_body_runs_all_the_same(plain: Task, at: int) -> None:
    header = [deed.s("a"), deed.s("b")]
    header.insert(at, plain.si("p"))
    result = chord(header)(deed.s("z"))

    assert result.get(timeout=SECONDS, interval=0.01) == "z"
    wait_for_the_end()

    assert Job.objects.count() == 3
    assert Job.objects.get(task_id=result.id).state == State.SUCCEEDED


def test_a_member_may_replace_itself(swapping: Task) -> None:
    result = chord([swapping.s("a"), deed.s("b")])(deed.s("z"))

    assert result.get(timeout=SECONDS, interval=0.01) == "z"
    wait_for_the_end()

    assert Job.objects.count() == 4
    assert set(Job.objects.values_list("state", flat=True)) == {State.SUCCEEDED}


def test_a_member_that_replaces_itself_beside_a_plain_task(swapping: Task, plain: Task) -> None:
    result = chord([swapping.s("a"), plain.si("p")])(deed.s("z"))

    assert result.get(timeout=SECONDS, interval=0.01) == "z"
    wait_for_the_end()

    assert Job.objects.count() == 3
