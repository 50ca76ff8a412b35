from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from celery_jobman.exceptions import StepConflict
from celery_jobman.models import Job, StepState
from tests.factories import queued_job, runner_of, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.django_db

LETTERS = list("abcde")


def generated() -> Iterator[str]:
    yield from LETTERS


def after(cursor: str | None) -> list[str]:
    """Return the letters behind a cursor, as a keyset query would."""
    return [letter for letter in LETTERS if cursor is None or letter > cursor]


def stop_at(letter: str, source: Any, job: Job, **options: Any) -> list[str]:
    """Run an attempt whose loop is broken by an error at ``letter``."""
    seen: list[str] = []

    def body() -> None:
        for item in runner_of(job).iterate("load", source, **options):
            if item == letter:
                raise ValueError("broken")
            seen.append(item)

    with pytest.raises(ValueError, match="broken"):
        body()
    return seen


def go_on(source: Any, job: Job, **options: Any) -> list[Any]:
    return list(runner_of(job, 2).iterate("load", source, **options))


@pytest.mark.parametrize("source", [LETTERS, tuple(LETTERS), "abcde", generated, after])
def test_a_loop_sees_every_item_and_its_step_succeeds(source: Any) -> None:
    if source is generated:
        source = generated()
    job = running_job()

    assert list(runner_of(job).iterate("load", source)) == LETTERS
    row = job.steps.get()
    assert (row.state, row.done, row.cursor_value) == (StepState.SUCCEEDED, 5, 5)
    assert row.finished_at is not None


@pytest.mark.parametrize("total", [None, 5])
def test_a_sequence_knows_its_length(total: int | None) -> None:
    job = running_job()

    list(runner_of(job).iterate("load", LETTERS, total=total))

    assert job.steps.get().total == 5


def test_the_total_of_anything_else_is_what_the_task_says() -> None:
    job = running_job()

    list(runner_of(job).iterate("load", generated(), total=99))

    assert job.steps.get().total == 99


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (LETTERS, {}),
        (generated, {}),
        (after, {"cursor": str}),
        (lambda done: LETTERS[done or 0 :], {}),
    ],
)
def test_the_next_attempt_goes_on_where_the_last_one_broke(
    source: Any, options: dict[str, Any]
) -> None:
    job = running_job(attempt=2)
    first, second = (generated(), generated()) if source is generated else (source, source)

    assert stop_at("c", first, job, **options) == ["a", "b"]
    assert go_on(second, job, **options) == ["c", "d", "e"]


def test_a_queryset_is_sliced_in_the_order_of_its_keys() -> None:
    rows = sorted((queued_job() for _ in range(4)), key=lambda row: row.id)
    job = running_job(attempt=2, task="demo.import")
    queryset = Job.objects.filter(task="demo.add").order_by()
    for seen, _ in enumerate(runner_of(job).iterate("load", queryset)):
        if seen == 1:
            break

    assert go_on(queryset, job) == rows[1:]


def test_a_queryset_keeps_the_order_it_has() -> None:
    for label in "bca":
        queued_job(label=label)
    job = running_job(task="demo.import")

    seen = runner_of(job).iterate("load", Job.objects.exclude(pk=job.id).order_by("label"))

    assert [row.label for row in seen] == ["a", "b", "c"]


def test_a_loop_that_is_through_is_replayed_without_its_items() -> None:
    job = running_job(attempt=2)
    list(runner_of(job).iterate("load", LETTERS))
    runner = runner_of(job, 2)
    source = Mock()

    iteration = runner.iterate("load", source)

    assert list(iteration) == []
    source.assert_not_called()
    assert (iteration.finished, iteration.done, runner.reused) == (True, 5, ["load"])


def test_a_loop_the_body_leaves_saves_what_it_has_done() -> None:
    job = running_job(attempt=2)
    for item in runner_of(job).iterate("load", LETTERS):
        if item == "c":
            break

    row = job.steps.get()
    assert (row.state, row.done) == (StepState.RUNNING, 2)
    assert go_on(LETTERS, job) == ["c", "d", "e"]


def test_a_loop_left_before_its_first_item_is_done_saves_nothing() -> None:
    job = running_job()

    for _ in runner_of(job).iterate("load", LETTERS):
        break

    assert not job.steps.exists()


def test_an_iterator_that_the_body_holds_is_saved_at_the_end_of_the_attempt() -> None:
    job = running_job()
    runner = runner_of(job)
    held = iter(runner.iterate("load", LETTERS))
    next(held)
    next(held)

    runner.close()

    assert job.steps.get().done == 1


def test_an_error_of_the_source_is_noted_with_the_cursor_before_it() -> None:
    def breaking() -> Iterator[str]:
        yield "a"
        raise ValueError("line 2 is broken")

    job = running_job(attempt=2)
    with pytest.raises(ValueError, match="line 2"):
        list(runner_of(job).iterate("load", breaking()))

    row = job.steps.get()
    assert (row.state, row.error_message, row.done) == (
        StepState.FAILED, "ValueError: line 2 is broken", 1,
    )  # fmt: skip
    assert go_on(LETTERS, job) == LETTERS[1:]


def test_an_error_of_the_body_names_the_step_that_stopped_the_job() -> None:
    job = running_job()
    runner = runner_of(job)

    with pytest.raises(ValueError, match="broken"):
        runner.iterate("load", LETTERS, each=Mock(side_effect=ValueError("broken")))

    assert runner.stopped_in == "load"


def test_steps_inside_a_loop_are_parts_of_it() -> None:
    job = running_job()
    runner = runner_of(job)

    for letter in runner.iterate("load", "ab"):
        runner.run(f"image {letter}", lambda: 1)
    runner.run("report", lambda: 2)

    names = set(job.steps.values_list("name", flat=True))
    assert names == {"load", "load/image a", "load/image b", "report"}


def test_two_loops_need_two_names() -> None:
    runner = runner_of(running_job())
    list(runner.iterate("load", LETTERS))

    with pytest.raises(StepConflict):
        runner.iterate("load", LETTERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, 'on_error must be "raise" or "skip", not \'ignore\''),
        ({"on_error": "skip"}, r'on_error="skip" needs each=function; .* \.skip\(error\)'),
        ({"every": 0}, "every must be at least 1, not 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runner_of(running_job()).iterate("load", LETTERS, **options)
