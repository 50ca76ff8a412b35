from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from celery_jobman.exceptions import UnknownTask
from celery_jobman.insight.explanation import why
from celery_jobman.models import Outcome
from celery_jobman.states import State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    attempt,
    blocked_job,
    finished_job,
    job_in,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def _live_worker() -> None:
    worker(seen=timezone.now(), queues=["celery"], concurrency=4)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_sentence(state: State) -> None:
    assert why(job_in(state), NOON)


def test_a_job_for_later_says_when() -> None:
    job = scheduled_job(available_at=LATER)

    assert why(job, NOON) == "It is scheduled and begins in 5m, at 2030-01-01 12:05:00 UTC."


@pytest.mark.parametrize(
    ("outcome", "beginning"),
    [
        (Outcome.FAILED, "Attempt 2 failed; the next begins in 5m"),
        (Outcome.TIMED_OUT, "Attempt 2 ran out of time; the next"),
        (Outcome.LOST, "Attempt 2 was lost with its worker; the next"),
        (Outcome.RELEASED, "Attempt 2 put the job back; the next"),
        (Outcome.INTERRUPTED, "Attempt 2 was interrupted, because its worker was stopping"),
    ],
)
def test_a_job_between_attempts_says_why(outcome: Outcome, beginning: str) -> None:
    job = scheduled_job(available_at=LATER, attempt=2)
    attempt(job, number=1)
    attempt(job, number=2, outcome=outcome)

    assert why(job, NOON).startswith(beginning)


def test_a_person_retried_it_not_its_last_failure() -> None:
    job = scheduled_job(available_at=LATER, attempt=1, trigger="operator")
    attempt(job)

    assert why(job, NOON).startswith("It is scheduled and begins in 5m")


def test_a_job_of_a_task_that_a_worker_did_not_know_says_so_and_when_it_is_offered_again() -> None:
    held = scheduled_job(
        task="shop.new",
        dispatch_error=f"UnknownTask: {UnknownTask('shop.new')}",
        refused_at=EARLIER,
        available_at=NOON + timedelta(seconds=10),
    )

    assert why(held, NOON) == (
        "The worker that took it (5m ago) does not know the task `shop.new`; it is offered again in"
        " 10s. Deploy the code that has the task, or cancel the job."
    )


def test_a_job_the_broker_refused_says_so() -> None:
    job = scheduled_job(dispatch_error="OperationalError: connection refused")

    assert why(job, NOON).endswith("the last error: OperationalError: connection refused.")


def test_a_job_the_broker_refused_says_since_when_and_who_asks_again() -> None:
    held = scheduled_job(dispatch_error="refused", refused_at=EARLIER, available_at=LATER)

    assert why(held, NOON) == (
        "It waits for the broker, which has not taken its message since 2030-01-01 11:55:00 UTC"
        " (5m ago), and no worker is alive to ask it again; the last error: refused."
    )
    worker(seen=timezone.now())
    assert "(5m ago) and is asked again every few seconds" in why(held, NOON)


def test_a_job_that_was_refused_before_that_was_noted_says_when_it_was_last() -> None:
    held = scheduled_job(dispatch_error="refused", available_at=NOON + timedelta(seconds=2))

    assert "since 2030-01-01 11:59:57 UTC (3s ago)" in why(held, NOON)


def test_a_due_job_waits_for_a_dispatcher() -> None:
    assert "no worker is alive to send and run it" in why(scheduled_job(), NOON)


@pytest.mark.usefixtures("_live_worker")
def test_a_due_job_is_sent_by_a_live_worker() -> None:
    assert why(scheduled_job(), NOON).startswith("It has been due for 5m; a worker sends it")


def test_a_queued_job_without_any_worker_says_how_to_start_one() -> None:
    worker(seen=LONG_AGO, queues=["celery"])

    assert why(queued_job(), NOON) == (
        "No worker is alive to take it; start one: `celery -A tests.celery_app worker`"
    )


@pytest.mark.usefixtures("_live_worker")
def test_a_queued_job_without_a_consumer_names_its_queue() -> None:
    sentence = why(queued_job(queue="slow"), NOON)

    assert "No live worker consumes its queue 'slow' (they consume celery)" in sentence
    assert sentence.endswith("worker -Q slow`")


def test_a_queued_job_tells_what_is_before_it() -> None:
    busy = worker(seen=timezone.now(), queues=["celery"], concurrency=1)
    running_job(worker_id=busy.id)
    queued_job(queued_at=EARLIER - timedelta(minutes=1))

    assert why(queued_job(), NOON) == (
        "It has been queued for 5m, with 1 job before it in 'celery'; its workers run 1 of at"
        " most 1 job."
    )


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        (
            {"queued_at": NOON - timedelta(seconds=20)},
            "if it is, it is sent again in 10s, at 2030-01-01 12:00:10 UTC.",
        ),
        ({"queued_at": EARLIER}, "if it is, a worker sends it again within seconds."),
        ({"observed": True}, "a plain task's message is not sent again, so call the task anew."),
    ],
)
@pytest.mark.usefixtures("_live_worker")
def test_a_queued_job_that_no_idle_worker_takes_has_lost_its_message(
    fields: dict[str, Any], end: str
) -> None:
    sentence = why(queued_job(**fields), NOON)

    assert "although its workers have room, so its message may be lost" in sentence
    assert sentence.endswith(end)


@pytest.mark.parametrize(
    ("queued", "reserved"), [(NOON - timedelta(seconds=5), 0), (NOON - timedelta(minutes=5), 2)]
)
def test_a_message_may_still_be_on_its_way(queued: datetime, reserved: int) -> None:
    worker(seen=timezone.now(), queues=["celery"], concurrency=4, reserved=reserved)

    assert "may be lost" not in why(queued_job(queued_at=queued), NOON)


def test_a_running_job_tells_where_and_since_when() -> None:
    live = worker(seen=timezone.now())
    job = running_job(worker_id=live.id, current_step="load")

    assert why(job, NOON) == "It has been running on w1@host for 5m, in step load."


def test_a_job_of_a_dead_worker_is_not_called_running() -> None:
    dead = worker(seen=LONG_AGO)

    sentence = why(running_job(worker_id=dead.id), NOON)

    assert sentence.startswith("It was running on w1@host, which was last seen")
    assert sentence.endswith(
        "no worker is alive to take it back: start one (`celery -A tests.celery_app worker`),"
        " or run `jobman rescue`."
    )


@pytest.mark.usefixtures("_live_worker")
def test_a_job_of_a_dead_worker_is_taken_back_by_a_live_one() -> None:
    dead = worker(seen=LONG_AGO)

    assert "; a live worker takes it back" in why(running_job(worker_id=dead.id), NOON)


def test_a_worker_that_begins_to_be_silent_has_some_time_left() -> None:
    now = timezone.now()
    quiet = worker(seen=now - timedelta(seconds=12))

    assert why(running_job(worker_id=quiet.id), now) == (
        "It is running on w1@host, which was last seen 12s ago; if that stays silent, the job is"
        " taken back in 13s."
    )


@pytest.mark.parametrize(
    ("fields", "rung"),
    [
        (
            {"cancel_requested_at": NOON - timedelta(seconds=10)},
            "next checkpoint, or by force in 20s",
        ),
        ({"cancel_requested_at": EARLIER}, "it is being stopped by force"),
        ({"cancel_requested_at": NOON, "cancel_forced": True}, "it is being stopped by force"),
    ],
)
def test_a_cancel_says_on_which_rung_it_stands(fields: dict[str, Any], rung: str) -> None:
    assert rung in why(running_job(**fields), NOON)


def test_a_blocked_job_names_what_it_waits_for() -> None:
    parent = queued_job()

    assert f"another job ({parent.id}) since 5m ago" in why(blocked_job(parent_id=parent.id), NOON)


def test_the_ends_tell_their_reason() -> None:
    failed = finished_job(
        State.FAILED, attempt=2, max_attempts=2, error_class="ValueError", error_message="bad row"
    )
    expired = finished_job(State.CANCELLED, error_message="it expired before a worker began it")

    assert why(failed, NOON) == "Attempt 2 of 2 failed just now: ValueError: bad row"
    assert why(expired, NOON).endswith("just now, because it expired before a worker began it.")
    assert why(finished_job(State.CANCELLED), NOON) == "It was cancelled just now."
    assert why(finished_job(State.SUCCEEDED, completed_code="rejects"), NOON) == (
        "It succeeded just now (rejects)."
    )
