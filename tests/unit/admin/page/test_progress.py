from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.admin.page.progress import Course, left, progress
from celery_jobman.admin.page.regions import Subject
from celery_jobman.states import State
from tests.factories import NOON, finished_job, unsaved_job, worker

if TYPE_CHECKING:
    from tests.unit.conftest import Budget


pytestmark = pytest.mark.django_db


def shown(**fields: Any) -> Any:
    defaults = {"state": State.RUNNING, "attempt": 1, "progress_at": NOON}
    begun = {"started_at": NOON - timedelta(seconds=100), "progress_current": 0}
    job = unsaved_job(**{**defaults, **begun, **fields})
    return progress(Subject(None, None, job, NOON))  # type: ignore[arg-type]


def test_a_job_that_reported_nothing_shows_nothing() -> None:
    assert shown(progress_current=None) == {}


def test_what_an_earlier_attempt_reported_is_not_this_ones() -> None:
    assert shown(progress_current=7, progress_at=NOON - timedelta(seconds=101)) == {}
    assert shown(progress_current=7, progress_at=NOON - timedelta(seconds=100)) != {}


def test_it_tells_how_much_how_fast_and_how_long() -> None:
    told = shown(progress_current=4_200, progress_total=10_000, progress_unit="rows")

    assert told["done"] == "4,200 of 10,000 rows (42%)"
    assert told["notes"] == ["42 rows/s", "about 2 min left"]
    assert (told["value"], told["total"]) == (4_200, 10_000)


def test_without_a_total_it_counts() -> None:
    told = shown(progress_current=4_200, progress_unit="rows")

    assert told["done"] == "4,200 rows so far"
    assert told["notes"] == ["42 rows/s"]
    assert told["bar"] is True
    assert told["value"] is None


def test_more_than_expected_is_said() -> None:
    told = shown(progress_current=4_200, progress_total=4_000)

    assert told["done"] == "4,200 (expected 4,000)"
    assert told["value"] == 4_000
    assert told["notes"] == ["42/s"]


def test_it_does_not_guess_too_soon() -> None:
    young = NOON - timedelta(seconds=5)

    assert "estimating…" in shown(progress_current=4, progress_total=100, started_at=young)["notes"]
    told = shown(progress_current=5, progress_total=100, started_at=young)
    assert "about 2 min left" in told["notes"]


def test_silence_is_said_and_stops_the_guess() -> None:
    told = shown(progress_current=5, progress_total=10, progress_at=NOON - timedelta(seconds=45))

    assert told["silent"] == "no progress for 45s"
    assert told["updated"] == ""
    assert not any("left" in note for note in told["notes"])


def test_a_job_that_ended_has_no_rest() -> None:
    told = shown(state=State.FAILED, finished_at=NOON, progress_current=5, progress_total=10)

    assert told == {"done": "stopped at 5 of 10 (50%)", "said": ""}


@pytest.mark.parametrize(
    ("state", "current"), [(State.SUCCEEDED, 5), (State.FAILED, 10), (State.CANCELLED, 0)]
)
def test_no_bar_is_left_of_a_job_that_ended(state: State, current: int) -> None:
    assert shown(state=state, finished_at=NOON, progress_current=current, progress_total=10) == {}


def test_a_job_whose_worker_is_silent_is_not_said_to_go_on() -> None:
    gone = worker(seen=NOON - timedelta(minutes=1))

    told = shown(progress_current=4_200, progress_total=10_000, worker_id=gone.pk)

    assert (told["done"], told["notes"]) == ("4,200 of 10,000 (42%)", [])
    assert (told["value"], told["updated"], told["silent"]) == (4_200, "", "")


@pytest.mark.parametrize(
    ("current", "total"), [(-5, 10), (2**63 - 1, 1), (5, -3), (0, 0), (-(2**63) + 1, None)]
)
def test_odd_numbers_do_no_harm(current: int, total: int | None) -> None:
    told = shown(progress_current=current, progress_total=total)

    assert told["value"] is None or 0 <= told["value"] <= told["total"]


def test_a_clock_that_runs_behind_does_no_harm() -> None:
    job = unsaved_job(state=State.RUNNING, started_at=NOON + timedelta(seconds=9), progress_at=NOON)

    assert Course(job, NOON - timedelta(seconds=3), 7).rate == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "a few seconds left"),
        (38, "about 40 s left"),
        (240, "about 4 min left"),
        (10_000, "about 3 h left"),
        (400_000, "about 5 days left"),
        (1e18, "about 9,999 days left"),
    ],
)
def test_a_rest_is_told_in_round_words(seconds: float, words: str) -> None:
    assert left(seconds) == words


def _took(minutes: float, state: State = State.SUCCEEDED, **fields: Any) -> None:
    finished_job(state, started_at=NOON - timedelta(minutes=minutes), **fields)


def test_until_it_can_be_told_it_says_how_long_it_takes_usually() -> None:
    for minutes in (1, 6, 60):
        _took(minutes)
    _took(600, State.FAILED)
    _took(600, task="demo.other")
    young = NOON - timedelta(seconds=5)

    assert shown(progress_total=100, started_at=young)["notes"] == ["estimating…", "usually 6 min"]
    assert shown(progress_total=100, progress_current=50)["notes"][1:] == ["about 2 min left"]
    assert shown()["notes"] == ["usually 6 min"]
    assert shown(progress_at=NOON - timedelta(seconds=45))["notes"] == []


def test_only_the_latest_successes_are_asked(
    monkeypatch: pytest.MonkeyPatch, budget: Budget
) -> None:
    monkeypatch.setattr("celery_jobman.admin.page.progress.LOOKED", 2)
    for minutes in (600, 6, 6):
        _took(minutes)

    with budget(1):
        assert shown()["notes"] == ["usually 6 min"]


def test_what_takes_no_time_is_not_counted_in_tens() -> None:
    _took(0)

    assert shown()["notes"] == ["usually a few seconds"]


def test_what_is_over_is_asked_nothing(budget: Budget) -> None:
    with budget(0):
        shown(state=State.SUCCEEDED, progress_total=100)
