from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import states
from celery.exceptions import MaxRetriesExceededError
from django.db import transaction

from celery_jobman import current_job
from celery_jobman.models import Job, Outcome
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery import Celery

    from tests.integration.conftest import Drain, Make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def add(_self: Any, x: int, y: int = 1) -> int:
    return x + y


def test_a_call_runs_at_once_and_is_recorded(make: Make, drain: Drain) -> None:
    result = make(add).delay(1, y=2)

    job = Job.objects.get()
    assert result.get() == job.return_value == 3
    assert (job.state, job.eager, job.attempt) == (State.SUCCEEDED, True, 1)
    assert (job.task_id, job.arguments) == (result.id, ([1], {"y": 2}))
    assert job.attempts.get().outcome == Outcome.SUCCEEDED
    assert drain() == []


def test_apply_is_recorded_too(make: Make) -> None:
    result = make(add).apply((1,), task_id="nightly")

    assert result.get() == 2
    assert Job.objects.get().task_id == "nightly"


def test_a_plain_call_is_a_plain_call(make: Make) -> None:
    assert make(add)(1, 2) == 3
    assert not Job.objects.exists()


@pytest.mark.parametrize("how", ["class", "call"])
def test_a_call_need_not_be_a_job(make: Make, how: str) -> None:
    task = make(add, track=how != "class")

    result = task.apply_async((1,), track=False) if how == "call" else task.delay(1)

    assert result.get() == 2
    assert not Job.objects.filter(state=State.RUNNING).exists()
    assert Job.objects.count() == (0 if how == "class" else Job.objects.count())


def test_an_error_is_recorded_and_returned(make: Make) -> None:
    def fail(_self: Any) -> None:
        raise ValueError("no stock")

    result = make(fail).delay()

    job = Job.objects.get()
    assert (result.state, str(result.result)) == (states.FAILURE, "no stock")
    assert (job.state, job.error_class, job.error_message) == (
        State.FAILED, "ValueError", "no stock",
    )  # fmt: skip
    assert "raise ValueError" in job.attempts.get().traceback


def test_an_error_propagates_where_the_project_wants_that(make: Make, app: Celery) -> None:
    def fail(_self: Any) -> None:
        raise ValueError("no stock")

    app.conf.task_eager_propagates = True
    try:
        with pytest.raises(ValueError, match="no stock"):
            make(fail).delay()
    finally:
        app.conf.task_eager_propagates = False
    assert Job.objects.get().state == State.FAILED


def flaky(failures: int) -> Any:
    """Return a body that fails so many times."""
    calls: list[int] = []

    def body(self: Any) -> int:
        calls.append(self.attempts)
        if len(calls) <= failures:
            raise ValueError(f"attempt {self.attempts}")
        return self.attempts  # type: ignore[no-any-return]

    return body


def test_a_failed_attempt_is_tried_again_at_once(make: Make) -> None:
    result = make(flaky(2), max_attempts=5, backoff=[10, 60]).delay()

    job = Job.objects.get()
    assert result.get() == job.return_value == 3
    assert (job.state, job.attempt, job.failures) == (State.SUCCEEDED, 3, 2)
    assert [attempt.outcome for attempt in job.attempts.all()] == ["failed", "failed", "succeeded"]
    assert (job.error_message, job.last_failed_at is not None) == ("", True)


def test_the_last_permitted_attempt_is_the_last(make: Make) -> None:
    result = make(flaky(9), max_attempts=3).delay()

    job = Job.objects.get()
    assert (result.state, str(result.result)) == (states.FAILURE, "attempt 3")
    assert (job.state, job.attempt, job.error_message) == (State.FAILED, 3, "attempt 3")


def test_celerys_own_retry_is_an_attempt(make: Make) -> None:
    seen: list[tuple[int, int, tuple[Any, ...]]] = []

    def body(self: Any, x: int) -> str:
        seen.append((self.attempts, self.request.retries, self.request.args))
        if self.request.retries < 2:
            self.retry(args=(x + 1,), exc=ValueError("busy"), countdown=60)
        return "done"

    result = make(body).delay(1)

    job = Job.objects.get()
    assert result.get() == "done"
    assert [(number, retries) for number, retries, _ in seen] == [(1, 0), (2, 1), (3, 2)]
    assert (job.state, job.attempt, job.failures) == (State.SUCCEEDED, 3, 2)


def test_celerys_own_retry_limit_ends_the_job(make: Make) -> None:
    def body(self: Any) -> None:
        self.retry()

    result = make(body, max_retries=2).delay()

    job = Job.objects.get()
    assert isinstance(result.result, MaxRetriesExceededError)
    assert (job.state, job.attempt) == (State.FAILED, 3)


def test_celerys_own_autoretry_is_an_attempt(make: Make) -> None:
    options = {"autoretry_for": (ValueError,), "max_retries": 5, "retry_backoff": 60}

    result = make(flaky(2), **options).delay()

    assert result.get() == 3
    assert Job.objects.get().attempt == 3


def test_a_job_enqueued_by_a_job_is_recorded_on_its_own(make: Make) -> None:
    inner = make(add, "demo.inner")

    def outer(_self: Any) -> int:
        result: int = inner.delay(1).get(disable_sync_subtasks=False)
        return result

    assert make(outer).delay().get() == 2
    assert sorted(Job.objects.values_list("task", flat=True)) == ["demo.inner", "demo.task"]


def test_a_task_called_as_a_function_by_a_job_is_part_of_it(make: Make) -> None:
    inner = make(add, "demo.inner")

    def outer(_self: Any) -> int:
        result: int = inner(1)
        return result

    assert make(outer).delay().get() == 2
    assert Job.objects.get().task == "demo.task"


def test_the_job_is_known_from_any_depth_and_gone_afterwards(make: Make) -> None:
    seen: list[Any] = []

    def body(self: Any) -> None:
        here = current_job()
        seen.append((here is self.job, self.job.task_id == self.request.id))

    make(body).delay()

    assert seen == [(True, True)]
    assert current_job() is None


def test_a_rollback_of_the_callers_transaction_takes_the_job_with_it(make: Make) -> None:
    with transaction.atomic():
        make(add).delay(1)
        transaction.set_rollback(True)

    assert not Job.objects.exists()


def test_the_callers_options_are_kept(make: Make) -> None:
    task = make(add, tags=["nightly"], steps=("fetch", "load"))

    task.apply_async((1,), shadow="Nightly import", priority=3, expires=3600)

    job = Job.objects.get()
    assert (job.tags, job.declared_steps) == (["nightly"], ["fetch", "load"])


def test_our_own_options_are_kept(make: Make) -> None:
    make(add).apply_async((1,), tags=["nightly"], attribs={"shop": 7})

    job = Job.objects.get()
    assert (job.tags, job.attribs) == (["nightly"], {"shop": 7})


def test_a_released_job_is_not_forgotten(make: Make) -> None:
    def body(self: Any) -> None:
        self.release(delay=30)

    result = make(body).delay()

    job = Job.objects.get()
    assert (result.state, job.releases) == (states.RETRY, 1)
    assert job.attempts.get().outcome == Outcome.RELEASED
    assert not job.is_final
