from __future__ import annotations

from datetime import timedelta

import pytest
from django.template.loader import render_to_string

from celery_jobman.admin import badges
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, job_in, unsaved_job

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", State)
def test_every_state_has_an_icon_a_word_and_a_tone(state: State) -> None:
    badge = badges.of(job_in(state), NOON)

    html = render_to_string("admin/jobman/_badge.html", {"badge": badge})

    assert "<svg" in html
    assert badge.word in html
    assert f"jm-{badge.tone}" in html
    assert badge.html == html


def test_no_two_states_share_an_icon() -> None:
    icons = [badges.of_state(state).icon for state in State]

    assert len(set(icons)) == len(icons)


def test_a_running_job_that_was_asked_to_stop_is_cancelling() -> None:
    job = unsaved_job(state=State.RUNNING, cancel_requested_at=NOON - timedelta(seconds=12))

    assert badges.of(job, NOON) == ("stopping", "warn", "Cancelling (12s)")


def test_a_job_whose_worker_is_dead_only_seems_to_run() -> None:
    job = unsaved_job(state=State.RUNNING)

    assert badges.of(job, NOON, orphaned=True) == ("question", "warn", "Running, worker silent")
    job.cancel_requested_at = NOON
    assert badges.of(job, NOON, orphaned=True).word == "Cancelling, worker silent"
    assert badges.of(job_in(State.FAILED), NOON, orphaned=True).word == "Failed"


@pytest.mark.parametrize(
    ("due", "attempt", "word"),
    [
        (LATER, 1, "Retrying in 5m"),
        (EARLIER, 1, "Retrying"),
        (LATER, 0, "Scheduled"),
    ],
)
def test_a_scheduled_job_that_ran_before_is_retrying(due: object, attempt: int, word: str) -> None:
    job = unsaved_job(state=State.SCHEDULED, available_at=due, attempt=attempt)

    assert badges.of(job, NOON).word == word
