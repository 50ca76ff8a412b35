from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from celery_jobman.core.rescue import time_out
from celery_jobman.models import Job, Outcome
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, attempt, running_job, worker

pytestmark = pytest.mark.django_db

SILENCE = timedelta(seconds=30)
SILENT = NOON - SILENCE - timedelta(seconds=1)
HEARD = NOON - SILENCE
WHY = "its worker stopped giving signs of life"


def held_job(*, seen: Any = SILENT, **fields: Any) -> Job:
    """Return a job that a worker runs; the worker was last seen at ``seen``."""
    return running_job(worker_id=worker(seen=seen).id, pid=4711, **fields)


@pytest.mark.parametrize(
    ("fields", "final", "state", "outcome"),
    [
        ({"max_attempts": 2}, False, State.SCHEDULED, Outcome.TIMED_OUT),
        ({"max_attempts": 2}, True, State.FAILED, Outcome.TIMED_OUT),
        ({"max_attempts": 1}, False, State.FAILED, Outcome.TIMED_OUT),
        ({"max_attempts": None}, False, State.FAILED, Outcome.TIMED_OUT),
        (
            {"max_attempts": 2, "cancel_requested_at": EARLIER},
            False,
            State.CANCELLED,
            Outcome.CANCELLED,
        ),
    ],
)
def test_where_a_timed_out_job_goes(
    fields: dict[str, Any],
    final: bool,  # noqa: FBT001
    state: State,
    outcome: Outcome,
) -> None:
    job = held_job(seen=NOON, **fields)

    entry = time_out(job, "60 s ran out", now=NOON, delay=timedelta(minutes=5), final=final)

    job.refresh_from_db()
    assert entry is not None
    assert entry.state == job.state == state
    assert job.attempts.get().outcome == outcome
    assert job.available_at == (LATER if state == State.SCHEDULED else None)


def test_a_timed_out_attempt_that_has_just_ended_is_left_alone() -> None:
    job = held_job(seen=NOON)
    attempt(job)
    Job.objects.update(state=State.SUCCEEDED, finished_at=NOON)

    assert time_out(job, "ran out", now=NOON, delay=timedelta(), final=False) is None
