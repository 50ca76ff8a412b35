from __future__ import annotations

import gc
from itertools import islice
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.models import StepState
from tests.factories import runner_of, running_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery_jobman.core.steps import StepRunner

pytestmark = pytest.mark.django_db


def here(runner: StepRunner) -> str:
    """Return the path that a step would have here."""
    return runner.enter("x")


def test_after_two_loops_side_by_side_a_step_is_in_none_of_them() -> None:
    runner = runner_of(running_job())

    loops = runner.iterate("a", "12"), runner.iterate("b", "123")
    inside = {here(runner) for _ in zip(*loops, strict=False)}

    assert inside == {"b/x"}
    assert (here(runner), runner.current) == ("x", "")


def test_the_paths_of_two_loops_side_by_side_are_the_same_in_each_attempt() -> None:
    job = running_job(attempt=2)

    def body(number: int, until: str) -> None:
        runner = runner_of(job, number)
        for one, two in zip(runner.iterate("a", "123"), runner.iterate("b", "123"), strict=True):
            if one == until:
                return
            runner.run(f"save:{one}{two}", lambda: number)
        runner.run("charge", lambda: number)

    body(1, "2")
    body(2, "")

    names = set(job.steps.values_list("name", flat=True))
    assert names == {"a", "b", "charge", "b/save:11", "b/save:22", "b/save:33"}


def enumerated(items: Iterable[Any]) -> Iterator[Any]:
    for number, item in enumerate(items):
        yield number + 1, item


@pytest.mark.parametrize(
    "wrap", [iter, enumerate, enumerated, lambda items: islice(items, 9), lambda i: map(str, i)]
)
def test_a_step_in_the_body_is_in_the_loop_whatever_stands_between(wrap: Any) -> None:
    runner = runner_of(running_job())

    paths = {here(runner) for _ in wrap(runner.iterate("load", "abc"))}

    assert paths == {"load/x"}
    assert here(runner) == "x"


def test_a_loop_inside_a_loop_is_a_part_of_it() -> None:
    runner = runner_of(running_job())
    seen = []

    for one in runner.iterate("files", "ab"):
        for _ in runner.iterate(f"rows:{one}", "12"):
            seen.append(here(runner))
            break
        seen.append(here(runner))

    assert seen == ["files/rows:a/x", "files/x", "files/rows:b/x", "files/x"]


def test_a_loop_that_was_left_is_left_though_somebody_keeps_its_iterator() -> None:
    job = running_job()
    runner = runner_of(job)
    rows = runner.iterate("load", "abcde")
    kept = iter(rows)

    for item in kept:
        if item == "c":
            break

    assert (here(runner), runner.current) == ("x", "")
    assert (job.steps.get().state, job.steps.get().done) == (StepState.RUNNING, 2)
    assert list(kept) == ["d", "e"]
    assert rows.finished


def test_an_iterator_that_is_asked_by_hand_is_at_its_item() -> None:
    runner = runner_of(running_job())
    kept = iter(runner.iterate("load", "abc"))

    next(kept)

    assert here(runner) == "load/x"
    for _ in kept:
        assert here(runner) == "load/x"
    assert here(runner) == "x"


def test_a_loop_that_an_exception_left_is_left() -> None:
    runner = runner_of(running_job())
    kept: list[BaseException] = []
    path = ""

    try:
        for _ in runner.iterate("load", "abc"):
            raise ValueError("broken")  # noqa: TRY301
    except ValueError as error:
        kept.append(error)
        path = here(runner)

    assert (path, runner.stopped_in) == ("x", "load")


def test_a_loop_that_was_begun_in_a_step_ends_with_it_though_its_iterator_is_kept() -> None:
    runner = runner_of(running_job())
    kept: list[Any] = []

    def begin() -> None:
        kept.append(iter(runner.iterate("rows", "abc")))
        next(kept[0])

    runner.run("load", begin)

    assert here(runner) == "x"


def test_a_loop_that_is_tidied_up_in_another_thread_changes_no_path_and_saves_nothing() -> None:
    job = running_job()
    runner = runner_of(job)
    kept = [iter(runner.iterate("load", "abc"))]
    next(kept[0])
    next(kept[0])

    with runner.part("outer"):
        thread = Thread(target=kept.clear)
        thread.start()
        thread.join(30)
        paths = here(runner)

    assert (paths, here(runner), runner.current) == ("outer/x", "x", "")
    assert not job.steps.exists()
    runner.close()
    assert job.steps.get().done == 1


def test_a_loop_in_a_circle_of_references_is_tidied_up_at_last() -> None:
    runner = runner_of(running_job())
    circle: list[Any] = [iter(runner.iterate("load", "abc"))]
    circle.append(circle)
    next(circle[0])

    del circle
    gc.collect()

    assert (here(runner), runner.current) == ("x", "")


def test_a_loop_can_be_gone_on_with_by_another_one() -> None:
    rows = runner_of(running_job()).iterate("load", "abcd")

    seen = [[item for item, _ in zip(rows, "12", strict=False)], list(rows)]

    assert seen == [["a", "b"], ["c", "d"]]


def test_nothing_is_left_of_loops_that_are_over() -> None:
    runner = runner_of(running_job())

    for one in "ab":
        loops = [runner.iterate(f"{one}{two}", "123") for two in "cd"]
        for _ in zip(*loops, strict=True):
            assert runner.current == f"{one}d"

    assert (runner.current, here(runner)) == ("", "x")
