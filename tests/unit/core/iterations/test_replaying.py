from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from celery_jobman.exceptions import JobCancelled
from celery_jobman.models import Job, Step, StepState
from tests.factories import checkpoint, queued_job, runner_of, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.core.progress import Progress

pytestmark = pytest.mark.django_db

LETTERS = list("abcde")
#: What was skipped before.
SKIPPED = [{"index": index, "item": LETTERS[index], "error": "no"} for index in (1, 2, 4)]


def replaying(**fields: Any) -> Job:
    """Return a job whose next attempt runs only what was skipped."""
    job = running_job(attempt=2)
    saved = {"skipped": SKIPPED, "done": 5, "cursor": "5", **fields}
    checkpoint(job, "load", state=StepState.REPLAYING, **saved)
    return job


def left(job: Job) -> tuple[str, list[str]]:
    row = job.steps.get(name="load")
    return row.state, [entry["item"] for entry in row.skipped]


def test_a_replay_runs_only_what_was_skipped() -> None:
    job = running_job(attempt=2)
    skipped = [{"index": index, "item": LETTERS[index], "error": "no"} for index in (1, 3)]
    checkpoint(job, "load", state=StepState.REPLAYING, skipped=skipped, done=5, cursor="5")
    each = Mock(side_effect=[None, ValueError("still no")])

    iteration = runner_of(job, 2).iterate("load", LETTERS, each=each, on_error="skip")

    assert [call.args for call in each.call_args_list] == [("b",), ("d",)]
    assert [entry["item"] for entry in iteration.skipped] == ["d"]
    row = job.steps.get()
    assert (row.state, row.done, row.skipped) == (StepState.SUCCEEDED, 5, iteration.skipped)


def test_a_replay_from_a_keyset_begins_at_its_start() -> None:
    job = running_job(attempt=2)
    skipped = [{"index": 1, "item": "b", "error": "no"}]
    checkpoint(job, "load", state=StepState.REPLAYING, skipped=skipped, done=5, cursor='"e"')

    def after(cursor: str | None) -> list[str]:
        return [letter for letter in LETTERS if cursor is None or letter > cursor]

    replayed = list(runner_of(job, 2).iterate("load", after, cursor=str))

    assert replayed == ["b"]
    assert job.steps.get().cursor_value == "e"


def broken_by_the_loop(job: Job) -> None:
    for item in runner_of(job, 2).iterate("load", LETTERS):
        if item == "c":
            raise ValueError("broken")


def broken_by_each(job: Job) -> None:
    each = Mock(side_effect=[None, ValueError("broken")])
    runner_of(job, 2).iterate("load", LETTERS, each=each)


def broken_by_the_source(job: Job) -> None:
    def source(_: Any) -> Iterator[str]:
        yield from "ab"
        raise ValueError("broken")

    list(runner_of(job, 2).iterate("load", source))


def stopped_by_the_checkpoint(job: Job) -> None:
    stop = Mock(side_effect=[None, JobCancelled])
    list(runner_of(job, 2, checkpoint=stop).iterate("load", LETTERS))


def stopped_in_the_loop(job: Job) -> None:
    for item in runner_of(job, 2).iterate("load", LETTERS):
        if item == "c":
            raise JobCancelled


def left_by_a_break(job: Job) -> None:
    for item in runner_of(job, 2).iterate("load", LETTERS):
        if item == "c":
            break


@pytest.mark.parametrize(
    "end",
    [
        broken_by_the_loop,
        broken_by_each,
        broken_by_the_source,
        stopped_by_the_checkpoint,
        stopped_in_the_loop,
        left_by_a_break,
    ],
)
def test_a_replay_that_ends_in_the_middle_goes_on_with_the_rest(end: Any) -> None:
    job = replaying()
    try:
        end(job)
    except (ValueError, JobCancelled) as error:
        runner_of(job, 2).close(error)

    assert left(job) == (StepState.REPLAYING, ["c", "e"])
    assert list(runner_of(job, 3).iterate("load", LETTERS)) == ["c", "e"]
    assert left(job) == (StepState.SUCCEEDED, [])


def test_the_error_of_an_attempt_that_was_left_by_it_is_noted_and_the_replay_kept() -> None:
    job = replaying()
    runner = runner_of(job, 2)
    rows = iter(runner.iterate("load", LETTERS))
    next(rows)
    runner.stopped_in = "load"

    runner.close(ValueError("broken"))

    assert left(job) == (StepState.REPLAYING, ["b", "c", "e"])
    assert job.steps.get().error_message == "ValueError: broken"


def test_a_worker_that_is_killed_in_a_replay_loses_no_item() -> None:
    job = replaying()
    runner = runner_of(job, 2)
    loop = iter(runner.iterate("load", LETTERS, every=1))
    next(loop)
    next(loop)

    killed = left(job)

    assert killed == (StepState.REPLAYING, ["c", "e"])


def test_an_item_that_fails_again_stays_listed_with_its_new_error() -> None:
    job = replaying()
    each = Mock(side_effect=[ValueError("still no"), None, JobCancelled])
    with pytest.raises(JobCancelled):
        runner_of(job, 2).iterate("load", LETTERS, each=each, on_error="skip")

    row = job.steps.get()
    assert [(entry["item"], entry["error"]) for entry in row.skipped] == [
        ("b", "ValueError: still no"), ("e", "no"),
    ]  # fmt: skip


def test_an_item_that_is_gone_when_it_is_replayed_stays_listed() -> None:
    job = replaying()

    list(runner_of(job, 2).iterate("load", LETTERS[:4]))

    assert left(job) == (StepState.SUCCEEDED, ["e"])


def test_items_of_a_keyset_are_known_again_by_their_cursors() -> None:
    def rows(cursor: str | None) -> list[str]:
        return [letter for letter in there if cursor is None or letter > cursor]

    there = "abcde"
    job = running_job(attempt=2)
    each = Mock(side_effect=[None, ValueError, None, ValueError, None])
    options: dict[str, Any] = {"cursor": str, "on_error": "skip"}
    runner_of(job).iterate("load", rows, each=each, **options)
    Step.objects.update(state=StepState.REPLAYING)

    there = "0bcd"  # one has come, two are gone
    seen: list[str] = []
    runner_of(job, 2).iterate("load", rows, each=seen.append, **options)

    assert seen == ["b", "d"]
    assert left(job) == (StepState.SUCCEEDED, [])


def test_rows_of_a_queryset_are_replayed() -> None:
    rows = sorted((queued_job() for _ in range(5)), key=lambda row: row.id)
    job = replaying()

    source = Job.objects.exclude(pk=job.pk).order_by("pk")

    replayed = runner_of(job, 2).iterate("load", source)

    assert list(replayed) == [rows[1], rows[2], rows[4]]


def test_a_replay_looks_no_further_than_its_last_item() -> None:
    numbers = iter(range(100))
    job = replaying(skipped=SKIPPED[:2])

    list(runner_of(job, 2).iterate("load", numbers))

    assert next(numbers) == 3


def test_the_progress_of_a_replay_is_its_own() -> None:
    reports: list[Progress] = []

    list(runner_of(replaying(), 2).iterate("load", LETTERS, report=reports.append))

    assert [(each.current, each.total) for each in reports] == [(1, 3), (2, 3), (3, 3)]
