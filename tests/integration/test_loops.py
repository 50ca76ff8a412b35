from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import actions
from celery_jobman.models import Job, StepState
from celery_jobman.runtime.messages import HEADER, header
from celery_jobman.states import State
from tests.factories import queued_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import Make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]

LETTERS = "abcdef"


def letters() -> Iterator[str]:
    yield from LETTERS


def after(cursor: str | None) -> list[str]:
    return [letter for letter in LETTERS if cursor is None or letter > cursor]


class Breaking:
    """A body's inside that breaks once, at one item."""

    def __init__(self, at: str) -> None:
        self.at: str | None = at
        self.seen: list[str] = []

    def __call__(self, item: str) -> None:
        if item == self.at:
            self.at = None
            raise ValueError(f"broken at {item}")
        self.seen.append(item)


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (lambda: LETTERS, {}),
        (letters, {"total": 6}),
        (lambda: after, {"cursor": str}),
    ],
    ids=["sequence", "generator", "keyset"],
)
@pytest.mark.parametrize("way", ["for", "each"])
def test_a_loop_goes_on_where_it_broke(
    make: Make, source: Callable[[], Any], options: dict[str, Any], way: str
) -> None:
    save = Breaking(at="d")

    def loop(self: Any) -> None:
        for item in self.iterate("load", source(), **options):
            save(item)

    def each(self: Any) -> None:
        self.iterate("load", source(), each=save, **options)

    make(loop if way == "for" else each, max_attempts=2).delay()

    job = Job.objects.get()
    assert (job.state, "".join(save.seen)) == (State.SUCCEEDED, LETTERS)
    row = job.steps.get()
    assert (row.state, row.done, row.attempt) == (StepState.SUCCEEDED, 6, 2)
    assert (job.progress_current, job.progress_total) == (6, 6 if row.total else None)
    assert [attempt.resumed_from for attempt in job.attempts.all()] == ["", "load"]


def test_a_queryset_goes_on_where_it_broke(make: Make) -> None:
    for label in LETTERS:
        queued_job(label=label, task="demo.row")
    save = Breaking(at="d")

    def body(self: Any) -> None:
        for row in self.iterate("load", Job.objects.filter(task="demo.row").order_by("label")):
            save(row.label)

    make(body, max_attempts=2).delay()

    assert "".join(save.seen) == LETTERS


def test_a_loop_that_breaks_shows_where_the_job_stopped(make: Make) -> None:
    def body(self: Any) -> None:
        for item in self.iterate("load", LETTERS):
            Breaking(at="d")(item)

    make(body).delay()

    job = Job.objects.get()
    assert (job.state, job.current_step, job.progress_current) == (State.FAILED, "load", 3)


def test_a_loop_that_is_through_is_not_run_again(make: Make) -> None:
    seen: list[str] = []
    boom = Breaking(at="report")

    def body(self: Any) -> None:
        self.iterate("load", LETTERS, each=seen.append)
        boom("report")

    make(body, max_attempts=2).delay()

    assert "".join(seen) == LETTERS


def only_vowels(letter: str) -> None:
    if letter not in "aeiou":
        raise ValueError(f"{letter} is no vowel")


def test_bad_items_are_listed_and_can_be_replayed_alone(make: Make) -> None:
    runs: list[Any] = []
    good: list[str] = []
    fixed = False

    def save(letter: str) -> None:
        if not fixed:
            only_vowels(letter)
        good.append(letter)

    def body(self: Any) -> None:
        done = self.iterate("load", LETTERS, each=save, on_error="skip")
        runs.append((done.done, [entry["item"] for entry in done.skipped]))

    task = make(body)
    task.delay()
    job = Job.objects.get()
    fixed = True

    count = actions.replay_skipped(job.id, "load", actor="ana")
    retry_here(task, job)

    job.refresh_from_db()
    assert count == 4
    assert runs == [(6, ["b", "c", "d", "f"]), (6, [])]
    assert "".join(good) == "aebcdf"
    assert (job.state, job.steps.get().skipped) == (State.SUCCEEDED, [])


def retry_here(task: Any, job: Job) -> None:
    """Run the next attempt of a job in this process, as its worker would."""

    job.refresh_from_db()
    task.apply(job.arguments[0], task_id=job.task_id, headers={HEADER: header(job)})
