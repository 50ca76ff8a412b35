from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import Retry
from django.utils import timezone

from celery_jobman import JobTask
from celery_jobman.exceptions import (
    UnencodableValue,
)
from celery_jobman.models import Outcome
from celery_jobman.runtime.outcomes import FALLBACK_DELAY, judge, returned
from celery_jobman.runtime.running import Completed
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, running_job

if TYPE_CHECKING:
    from celery import Celery, Task

    from tests.unit.conftest import Budget
    from tests.unit.runtime.conftest import Running

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def test_what_the_body_returned_is_the_result(task: Task, running: Running) -> None:
    verdict = returned(task, running(running_job()), {"rows": 7})

    assert verdict.ending is not None
    assert (verdict.ending.outcome, verdict.ending.to) == (Outcome.SUCCEEDED, State.SUCCEEDED)
    assert verdict.ending.changes["result"] == '{"rows": 7}'
    assert (verdict.value, verdict.error) == ({"rows": 7}, None)


def test_a_completed_value_brings_its_code(task: Task, running: Running) -> None:
    verdict = returned(task, running(running_job()), Completed(7, "already there" * 10))

    assert verdict.value == 7
    assert verdict.ending is not None
    assert verdict.ending.changes["result"] == "7"
    assert len(verdict.ending.changes["completed_code"]) == 64


def test_a_result_that_celery_could_not_store_either_is_an_error(
    task: Task, running: Running
) -> None:
    with pytest.raises(UnencodableValue, match=r"the result of demo\.add is a set"):
        returned(task, running(running_job()), {7})


def test_a_result_nobody_wants_may_be_anything(task: Task, running: Running) -> None:
    verdict = returned(task, running(running_job(), ignore_result=True), {7})

    assert verdict.value == {7}
    assert verdict.ending is not None
    assert verdict.ending.changes["result"] is None


def test_a_retry_without_throw_waits_for_its_next_attempt(task: Task, running: Running) -> None:
    job = running(running_job())
    job.next_attempt = {"retries": 1, "available_at": LATER}

    verdict = returned(task, job, "ignored")

    assert verdict.ending is not None
    assert (verdict.ending.outcome, verdict.ending.to) == (Outcome.RELEASED, State.SCHEDULED)
    assert (verdict.ending.available_at, verdict.ending.changes) == (LATER, {"retries": 1})


@pytest.mark.parametrize(
    ("max_attempts", "failures", "to"),
    [
        (None, 0, State.FAILED),
        (1, 0, State.FAILED),
        (2, 0, State.SCHEDULED),
        (2, 1, State.FAILED),
        (5, 3, State.SCHEDULED),
    ],
)
def test_where_a_job_goes_whose_body_raised(
    task: Task, running: Running, max_attempts: int | None, failures: int, to: State
) -> None:
    job = running(running_job(max_attempts=max_attempts, failures=failures))

    verdict = judge(ValueError("no stock"), task, job)

    assert verdict.ending is not None
    assert (verdict.ending.outcome, verdict.ending.to) == (Outcome.FAILED, to)
    assert verdict.ending.fault.error_message == "no stock"
    assert isinstance(verdict.error, ValueError if to == State.FAILED else Retry)


def test_a_failed_attempt_waits_as_its_backoff_says(task: Task, running: Running) -> None:
    task.backoff = [10, 60]
    job = running(running_job(max_attempts=5, failures=1), retries=3)

    verdict = judge(ValueError(), task, job)

    assert verdict.ending is not None
    assert verdict.ending.available_at == NOON + timedelta(seconds=60)
    assert verdict.ending.changes["retries"] == 4
    assert isinstance(verdict.error, Retry)
    assert verdict.error.when == 60


def doubled(failures: int) -> int:
    return 20 * failures


def busy() -> None:
    raise OSError("busy")


class Patient(JobTask):
    """Counts its own waits."""

    def backoff(self, failures: int) -> int:
        return 20 * failures


@pytest.mark.parametrize("options", [{"backoff": doubled}, {"base": Patient}])
def test_a_backoff_may_be_a_function_given_as_an_option_or_a_method(
    app: Celery, running: Running, options: dict[str, Any]
) -> None:
    task = app.task(name="demo.patient", shared=False, **options)(busy)
    app.tasks.pop("demo.patient")

    verdict = judge(OSError("busy"), task, running(running_job(max_attempts=3)))

    assert verdict.ending is not None
    assert verdict.ending.available_at == NOON + timedelta(seconds=20)


@pytest.mark.parametrize("backoff", ["soon", lambda _: 1 / 0, lambda: 1, [None, "x"], object()])
def test_a_backoff_of_no_use_is_logged_and_does_not_matter(
    task: Task, running: Running, caplog: pytest.LogCaptureFixture, backoff: Any
) -> None:
    task.backoff = backoff
    job = running(running_job(max_attempts=5, failures=1))

    verdict = judge(ValueError(), task, job)

    assert verdict.ending is not None
    assert verdict.ending.available_at == NOON + FALLBACK_DELAY
    assert "Backoff of demo.add is of no use" in caplog.text


def test_a_soft_time_limit_is_a_time_out(task: Task, running: Running) -> None:
    job = running(running_job(max_attempts=2))

    verdict = judge(SoftTimeLimitExceeded(60), task, job)

    assert verdict.ending is not None
    assert (verdict.ending.outcome, verdict.ending.to) == (Outcome.TIMED_OUT, State.SCHEDULED)


def test_a_time_out_can_be_final(task: Task, running: Running) -> None:
    task.fail_on_timeout = True
    job = running(running_job(max_attempts=5))

    verdict = judge(SoftTimeLimitExceeded(60), task, job)

    assert verdict.ending is not None
    assert verdict.ending.to == State.FAILED
    assert judge(ValueError(), task, job).ending.to == State.SCHEDULED  # type: ignore[union-attr]


def test_an_error_after_a_cancel_request_is_the_cancel(task: Task, running: Running) -> None:
    job = running(running_job(cancel_requested_at=EARLIER, max_attempts=5))

    verdict = judge(ValueError("a finally clause broke"), task, job)

    assert verdict.ending is not None
    assert (verdict.ending.outcome, verdict.ending.to) == (Outcome.CANCELLED, State.CANCELLED)


def test_judging_an_error_is_one_statement(task: Task, running: Running, budget: Budget) -> None:
    job = running(running_job(max_attempts=5))

    with budget(1):
        judge(ValueError(), task, job)
