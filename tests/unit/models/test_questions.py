from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from celery_jobman.models import Job, JobAction, Queue, Worker
from celery_jobman.states import FINAL, State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    attempt,
    checkpoint,
    finished_job,
    job_in,
    log_line,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

pytestmark = pytest.mark.django_db

SILENCE = timedelta(minutes=1)


@pytest.mark.parametrize("state", State)
def test_a_job_is_final_or_unfinished(state: State) -> None:
    job = job_in(state)

    assert job.is_final is (state in FINAL)
    assert Job.objects.unfinished().exists() is not job.is_final


def test_finished_before_means_strictly_before() -> None:
    job = finished_job(finished_at=NOON)

    assert not Job.objects.finished_before(NOON).exists()
    assert Job.objects.finished_before(LATER).get() == job


def test_due_jobs_come_longest_due_first() -> None:
    now = scheduled_job(available_at=NOON)
    earlier = scheduled_job(available_at=EARLIER)
    scheduled_job(available_at=LATER)
    queued_job(available_at=EARLIER)

    assert list(Job.objects.due(NOON)) == [earlier, now]


def test_a_worker_holds_the_jobs_it_runs() -> None:
    worker_id = uuid4()
    held = running_job(worker_id=worker_id)
    running_job(worker_id=uuid4())
    queued_job(worker_id=worker_id)

    assert list(Job.objects.held_by(worker_id)) == [held]


def test_big_columns_can_be_left_behind() -> None:
    queued_job(args='["a.csv"]')

    row = Job.objects.all().without_payloads().get()

    assert row.get_deferred_fields() == {"args", "kwargs", "message", "own_args", "result"}
    assert row.arguments == (["a.csv"], {})


def test_newest_jobs_come_first() -> None:
    older, newer = (
        queued_job(id=UUID(f"0190000{moment}-0000-7000-8000-000000000000")) for moment in (1, 2)
    )

    assert list(Job.objects.all()) == [newer, older]


def test_arguments_and_results_are_read_from_their_text() -> None:
    job = queued_job(args='["a.csv"]', kwargs='{"limit": 3}', result='{"rows": 7}')

    assert job.arguments == (["a.csv"], {"limit": 3})
    assert job.return_value == {"rows": 7}


def test_no_result_and_a_result_of_nothing_both_read_as_none() -> None:
    assert queued_job().return_value is None
    assert queued_job(result="null").return_value is None


def test_a_step_reads_its_checkpoint_and_its_cursor() -> None:
    step = checkpoint(running_job(), "load", [1, 2], cursor='"b"')

    assert (step.checkpoint, step.cursor_value) == ([1, 2], "b")


def test_a_step_without_either_reads_none() -> None:
    step = checkpoint(running_job(), "load")
    step.result = None

    assert (step.checkpoint, step.cursor_value) == (None, None)


@pytest.mark.parametrize(
    ("seen", "stopped", "alive"),
    [
        (LATER, None, True),
        (LATER - SILENCE, None, True),
        (LATER - SILENCE - timedelta(microseconds=1), None, False),
        (LATER, LATER, False),
    ],
)
def test_a_worker_is_alive_or_dead(seen: object, stopped: object, alive: bool) -> None:  # noqa: FBT001
    worker(seen=seen, stopped_at=stopped)  # type: ignore[arg-type]

    assert Worker.objects.alive(SILENCE, LATER).exists() is alive
    assert Worker.objects.dead(SILENCE, LATER).exists() is not alive


def test_every_row_says_what_it_is() -> None:
    job = finished_job()

    names = [
        str(job),
        str(attempt(job)),
        str(checkpoint(job, "load")),
        str(log_line(job, "hello")),
        str(worker()),
        str(Queue(name="celery")),
        str(JobAction(verb="retry", actor="ana")),
    ]
    assert names == [
        f"demo.add [{job.id}]",
        f"attempt 1 of {job.id}",
        f"step load of {job.id}",
        "hello",
        "w1@host",
        "celery",
        "retry by ana",
    ]
