from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from celery_jobman.models import Attempt, Job, JobAction, LogLine, Step, StepState
from celery_jobman.states import FINAL, State
from tests.factories import (
    EARLIER,
    NOON,
    attempt,
    checkpoint,
    finished_job,
    job_in,
    queued_job,
    running_job,
    scheduled_job,
)

pytestmark = pytest.mark.django_db


def refuses(job: Job, **changes: Any) -> bool:
    """Return whether the database refuses to change a job so."""
    try:
        with transaction.atomic():
            Job.objects.filter(pk=job.id).update(**changes)
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize("state", State)
def test_a_job_has_an_end_exactly_when_its_state_is_final(state: State) -> None:
    job = job_in(state)

    assert refuses(job, finished_at=NOON) is (state not in FINAL)
    assert refuses(job, finished_at=None) is (state in FINAL)


def test_a_scheduled_job_has_a_time() -> None:
    assert refuses(scheduled_job(), available_at=None)
    assert refuses(queued_job(), state=State.SCHEDULED)


@pytest.mark.parametrize("lacking", [{"attempt": 0}, {"started_at": None}])
def test_a_running_job_has_an_attempt_that_has_begun(lacking: dict[str, Any]) -> None:
    assert refuses(running_job(), **lacking)
    assert not refuses(queued_job(), **lacking)


def test_a_job_of_no_known_state_cannot_exist() -> None:
    assert refuses(queued_job(), state="pending")


def test_two_attempts_of_a_job_have_two_numbers() -> None:
    job = finished_job()
    attempt(job)

    with pytest.raises(IntegrityError), transaction.atomic():
        attempt(job)
    attempt(finished_job())
    attempt(job, number=2)
    assert Attempt.objects.count() == 3


def test_a_job_has_one_live_step_of_a_name() -> None:
    job = running_job()
    checkpoint(job, "load")

    with pytest.raises(IntegrityError), transaction.atomic():
        checkpoint(job, "load")
    checkpoint(job, "load", superseded=1)
    checkpoint(running_job(), "load")
    assert Step.objects.count() == 3


def test_two_jobs_have_two_ids() -> None:
    job = queued_job()

    with pytest.raises(IntegrityError), transaction.atomic():
        queued_job(id=job.id)


def test_two_jobs_may_have_had_one_task_id() -> None:
    queued_job(task_id="nightly")
    queued_job(task_id="nightly")

    assert Job.objects.count() == 2


def test_a_deleted_job_takes_its_attempts_and_steps_with_it() -> None:
    job = finished_job()
    attempt(job)
    checkpoint(job, "load")

    job.delete()

    assert not Attempt.objects.exists()
    assert not Step.objects.exists()


@pytest.mark.parametrize(
    "text", ["Grüße ✓ 🎈", "\"quotes' and \\ back", "100 %s", "<script>alert(1)</script>"]
)
def test_any_text_comes_back_as_it_was_written(text: str) -> None:
    job = running_job(error_message=text, label=text, tags=[text], attribs={text: text})
    LogLine.objects.create(
        job_id=job.id, attempt=1, at=NOON, level=20, logger=text, message=text, extra={text: text}
    )

    row, line = Job.objects.get(), LogLine.objects.get()
    assert {row.error_message, row.label, row.tags[0], line.logger, line.message} == {text}
    assert row.attribs == line.extra == {text: text}


def test_arguments_keep_numbers_and_escapes_that_a_json_column_changes() -> None:
    text = '[1e400, 1.10, "\\u0000\\ud800", 123456789012345678901234567890]'

    job = queued_job(args=text, result=text)

    job.refresh_from_db()
    assert (job.args, job.result) == (text, text)


def test_moments_keep_their_microseconds() -> None:
    moment = NOON.replace(microsecond=123456)

    job = queued_job(queued_at=moment)

    job.refresh_from_db()
    assert job.queued_at == moment


def test_a_step_may_belong_to_a_job_whose_row_another_process_holds() -> None:
    row = checkpoint(running_job(), "load", state=StepState.RUNNING)

    assert row.job.steps.get() == row


def test_an_action_needs_no_job() -> None:
    action = JobAction.objects.create(at=EARLIER, verb="prune", actor="ana")

    assert (action.job_id, action.changes, action.reason) == (None, {}, "")
