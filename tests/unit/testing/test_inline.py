"""Jobs that a test runs itself."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from celery import chain

from celery_jobman.exceptions import JobNotFound, UnknownTask
from celery_jobman.models import Attempt, Job, LogLine
from celery_jobman.runtime import supervisor
from celery_jobman.states import State
from celery_jobman.testing import run_job, run_jobs
from tests import factories
from tests.celery_app import app

pytestmark = pytest.mark.django_db

logger = logging.getLogger(__name__)


@app.task(name="inline.add")
def add(x: int, y: int) -> int:
    return x + y


@app.task(bind=True, name="inline.flaky", max_attempts=3, backoff=3600)
def flaky(self: Any, failures: int) -> int:
    if self.attempts <= failures:
        raise ValueError("not yet")
    return int(self.attempts)


@app.task(name="inline.parent")
def parent() -> None:
    add.delay(1, 1)
    add.apply_async((2, 2), countdown=3600)


@app.task(bind=True, name="inline.restless")
def restless(self: Any) -> None:
    self.release(10)


@app.task(bind=True, name="inline.persistent", max_retries=3)
def persistent(self: Any) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=60)
    return int(self.request.retries)


@app.task(bind=True, name="inline.watched")
def watched(self: Any) -> str:
    logger.warning("a line")
    self.progress(1, 2)
    look = Thread(target=supervisor._look_around)
    look.start()
    look.join()
    return str(self.step("after it", lambda: "done"))


def test_what_waits_is_run() -> None:
    add.delay(1, 2)
    add.delay(3, 4)

    ran = run_jobs()

    assert [(job.state, job.return_value) for job in ran] == [("succeeded", 3), ("succeeded", 7)]


def test_the_thread_that_watches_a_workers_jobs_leaves_them_alone() -> None:
    job = run_job(watched.delay())

    assert (job.state, job.return_value) == ("succeeded", "done")
    assert [line.message for line in LogLine.objects.filter(job_id=job.pk)] == ["a line"]


def test_nothing_is_run_when_nothing_waits() -> None:
    assert run_jobs() == []


def test_what_a_job_enqueues_is_run_too() -> None:
    parent.delay()

    assert [job.task for job in run_jobs()] == ["inline.parent", "inline.add"]


def test_what_is_for_later_waits_unless_time_is_said_to_pass() -> None:
    parent.delay()
    run_jobs()

    assert run_jobs(ahead=timedelta(minutes=59)) == []
    assert [job.return_value for job in run_jobs(ahead=timedelta(hours=2))] == [4]


def test_a_job_that_backs_off_runs_again_at_once() -> None:
    (job,) = [flaky.delay(2), *run_jobs()][1:]

    outcomes = Attempt.objects.filter(job=job).order_by("number").values_list("outcome", flat=True)
    assert (job.state, list(outcomes)) == ("succeeded", ["failed", "failed", "succeeded"])


def test_a_job_fails_with_its_last_attempt_and_the_test_goes_on() -> None:
    flaky.delay(3)

    (job,) = run_jobs()

    assert (job.state, job.error_class) == (State.FAILED, "ValueError")


def test_celerys_own_retry_runs_again() -> None:
    job = run_job(persistent.delay())

    assert (job.state, job.return_value, job.attempt) == ("succeeded", 2, 3)


def test_a_chain_is_run_to_its_end() -> None:
    chain(add.s(1, 2), add.s(10)).apply_async()

    assert [job.return_value for job in run_jobs()] == [3, 13]


def test_a_job_that_never_ends_ends_the_test() -> None:
    restless.delay()

    with pytest.raises(AssertionError, match=r"after 5 attempts: inline\.restless"):
        run_jobs(limit=5)


@pytest.mark.parametrize("reference", ["result", "id", "job"])
def test_one_job_is_run_by_what_is_known_of_it(reference: str) -> None:
    result = add.delay(2, 2)
    known = {"result": result, "id": result.id, "job": Job.objects.get()}[reference]
    add.delay(5, 5)

    assert run_job(known).return_value == 4
    assert Job.objects.filter(state=State.QUEUED).count() == 1


def test_a_job_that_has_ended_is_not_run() -> None:
    with pytest.raises(AssertionError, match="is succeeded and does not wait"):
        run_job(factories.finished_job(State.SUCCEEDED))


def test_a_job_that_there_is_not_is_an_error() -> None:
    with pytest.raises(JobNotFound):
        run_job("nonsense")


def test_a_task_that_is_not_registered_is_an_error() -> None:
    factories.queued_job(task="gone.task")

    with pytest.raises(UnknownTask, match=r"gone\.task"):
        run_jobs()
