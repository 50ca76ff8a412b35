from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from celery_jobman.admin.page.regions import Subject
from celery_jobman.admin.page.spans import MOST_ROWS, fewer, spans
from celery_jobman.admin.page.timeline import Scale, timeline
from celery_jobman.insight.wording import lasting
from celery_jobman.models import Outcome, StepState
from celery_jobman.states import State
from tests.factories import (
    EARLIER,
    NOON,
    attempt,
    checkpoint,
    finished_job,
    queued_job,
    running_job,
)

if TYPE_CHECKING:
    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def subject(job: Job) -> Subject:
    return Subject(None, None, job, NOON)  # type: ignore[arg-type]


def labels(job: Job) -> list[str]:
    drawing = timeline(subject(job))["drawing"]
    tree = ET.fromstring(drawing)  # noqa: S314 - drawn here
    return [part.attrib["aria-label"] for part in tree.iter("g") if part.get("role") == "listitem"]


def test_a_job_that_never_began_has_no_timeline() -> None:
    assert timeline(subject(queued_job(declared_steps=["a"]))) == {}


def test_every_row_says_what_it_shows() -> None:
    job = running_job(attempt=2, started_at=NOON - timedelta(seconds=60), declared_steps=["c", "d"])
    job.current_step = "c"
    attempt(job, number=1, started_at=EARLIER, finished_at=EARLIER + timedelta(seconds=90))
    checkpoint(job, "a", started_at=EARLIER, finished_at=EARLIER + timedelta(seconds=30))

    assert labels(job) == [
        "Attempt 1, Failed, ran 1m 30s",
        "a, Succeeded, ran 30s, reused by attempt 2",
        "Attempt 2, Running, waited 2m 30s, ran 1m",
        "c, Running, ran 1m",
        "d, Not begun",
    ]


def test_a_declared_step_of_a_job_that_succeeded_did_not_run_and_never_will() -> None:
    job = finished_job(State.SUCCEEDED, declared_steps=["fecth"])
    attempt(job, outcome=Outcome.SUCCEEDED)

    assert labels(job)[-1] == "fecth, Not run"


def test_the_table_tells_the_same_as_the_drawing() -> None:
    job = finished_job()
    attempt(job)
    checkpoint(job, "a")

    lines = timeline(subject(job))["lines"]

    assert [(line.name, line.ran) for line in lines] == [("Attempt 1", "5m"), ("a", "5m")]


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.INTERRUPTED, Outcome.FAILED])
def test_a_step_left_open_ends_with_its_attempt_and_as_it_did(outcome: Outcome) -> None:
    job = finished_job()
    attempt(job, outcome=outcome)
    checkpoint(job, "rows", state=StepState.RUNNING, finished_at=None)

    assert f"rows, {outcome.label}, ran 5m" in labels(job)


def lost_twice(**fields: Any) -> Job:
    """Return a job that was lost in ``load``; the first attempt had ended ``fetch``."""
    job = running_job(**{"attempt": 2, "started_at": EARLIER + timedelta(minutes=2), **fields})
    ended = EARLIER + timedelta(seconds=90)
    attempt(job, number=1, outcome=Outcome.LOST, started_at=EARLIER, finished_at=ended)
    checkpoint(job, "fetch", started_at=EARLIER, finished_at=EARLIER + timedelta(seconds=30))
    return job


def test_a_lost_attempt_shows_the_step_it_was_in() -> None:
    job = lost_twice(trigger="rescue")
    checkpoint(job, "load", attempt=2, state=StepState.RUNNING, started_at=job.started_at)

    assert labels(job) == [
        "Attempt 1, Lost, ran 1m 30s",
        "fetch, Succeeded, ran 30s, reused by attempt 2",
        "load, Lost, ran 1m",
        "Attempt 2, Running, waited 30s, ran 3m",
        "load, Running, ran 3m",
    ]


def test_it_is_known_from_where_the_next_attempt_went_on() -> None:
    job = lost_twice(attempt=3, trigger="rescue", current_step="load")
    attempt(job, number=2, outcome=Outcome.LOST, resumed_from="load", trigger="rescue")

    assert [label.partition(", ran")[0] for label in labels(job)] == [
        "Attempt 1, Lost",
        "fetch, Succeeded",
        "load, Lost",
        "Attempt 2, Lost",
        "load, Lost",
        "Attempt 3, Running",
        "load, Running",
    ]


def test_the_last_attempt_was_lost_where_the_job_stands() -> None:
    job = finished_job(current_step="load")
    attempt(job, outcome=Outcome.LOST)

    assert labels(job) == ["Attempt 1, Lost, ran 5m", "load, Lost, ran 5m"]


def test_where_a_person_started_again_tells_nothing_of_the_loss() -> None:
    job = lost_twice(trigger="operator", current_step="fetch")

    assert not any("load" in label for label in labels(job))


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (0.78, ["0s", "200ms", "400ms", "600ms"]),
        (4.9, ["0s", "1s", "2s", "3s", "4s"]),
        (75, ["0s", "20s", "40s", "1m"]),
        (5400, ["0s", "20m", "40m", "1h", "1h 20m"]),
        (86_400 * 9, ["0s", "2d", "4d", "6d", "8d"]),
    ],
)
def test_the_axis_has_round_times(seconds: float, ticks: list[str]) -> None:
    scale = Scale(NOON, NOON + timedelta(seconds=seconds))

    assert [lasting(time) or "0s" for time in scale.ticks()] == ticks


def test_a_time_beyond_all_measure_has_an_axis() -> None:
    assert 1 < len(Scale(NOON, NOON + timedelta(days=40_000)).ticks()) < 10


def test_bars_take_the_room_that_words_leave() -> None:
    job = finished_job()
    attempt(job)

    scale = Scale.of(spans(subject(job)), NOON)

    assert scale.left < 120
    assert scale.right > 900


def test_bars_stay_inside_the_drawing_even_when_clocks_disagree() -> None:
    job = finished_job(created_at=NOON + timedelta(hours=1))
    attempt(job, started_at=NOON, finished_at=EARLIER)
    checkpoint(job, "a", started_at=NOON, finished_at=EARLIER)

    drawing = timeline(subject(job))["drawing"]

    bars = re.findall(r'<rect [^>]*x="([\d.]+)"[^>]*width="([\d.]+)"', drawing)
    assert bars
    assert all(float(x) + float(width) <= 1000 for x, width in bars)


def test_many_steps_that_look_alike_become_one_row() -> None:
    job = finished_job()
    attempt(job)
    for number in range(MOST_ROWS + 10):
        checkpoint(job, f"page {number}", position=number)

    rows, hidden = fewer(spans(subject(job)))

    assert [row.name for row in rows] == ["Attempt 1", "page # \N{MULTIPLICATION SIGN}210"]
    assert hidden == 0


def test_of_many_rows_that_differ_the_latest_remain() -> None:
    job = finished_job()
    attempt(job)
    for number in range(MOST_ROWS + 10):
        name = "x" * number + "y"
        checkpoint(job, name[-190:] + "z" * (number % 7), position=number) if number < 190 else None
        if number >= 190:
            checkpoint(job, "q" * (number - 100), position=number)

    rows, hidden = fewer(spans(subject(job)))

    assert len(rows) == MOST_ROWS
    assert hidden == 11


def test_names_cannot_leave_the_drawing() -> None:
    job = finished_job()
    attempt(job)
    checkpoint(job, '"><script>alert(1)</script>\x00'.replace("\x00", "\x07"))

    drawing = timeline(subject(job))["drawing"]

    assert "<script" not in drawing
    ET.fromstring(drawing)  # noqa: S314 - drawn here
