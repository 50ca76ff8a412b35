"""Jobs on a real worker: claims, ends, and what happens in between."""

from __future__ import annotations

import logging
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import celery
import pytest
from celery import states
from celery.exceptions import Ignore, Reject
from django.utils import timezone

from celery_jobman import actions, chain
from celery_jobman.models import Batch, Job, LogLine, Outcome, Worker
from celery_jobman.runtime import broker
from celery_jobman.states import State
from tests.integration.workers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from tests.integration.conftest import Make

logger = logging.getLogger("shop")


def job_of(result: Any) -> Job:
    return Job.objects.get(task_id=result.id)


def ended(result: Any) -> Job:
    """Return a job once it has ended."""
    jobs = Job.objects.filter(task_id=result.id).exclude(finished_at=None)
    return eventually(lambda: jobs.all().first())


def add(_self: Any, x: int, y: int = 1) -> int:
    return x + y


def test_a_job_runs_and_its_worker_is_named(employ: Make) -> None:
    result = employ(add).delay(1, y=2)

    job = ended(result)
    attempt = job.attempts.get()
    assert (job.state, job.return_value, result.get(timeout=20)) == (State.SUCCEEDED, 3, 3)
    assert (attempt.outcome, attempt.hostname) == (Outcome.SUCCEEDED, "w1@host")
    assert attempt.worker_id == eventually(Worker.objects.first).id
    assert (job.worker_id, job.pid, job.eager) == (None, None, False)


def test_a_job_that_fails_is_tried_again_by_the_dispatcher(employ: Make) -> None:
    def flaky(self: Any) -> int:
        if self.attempts < 3:
            raise ValueError(f"attempt {self.attempts}")
        return self.request.retries  # type: ignore[no-any-return]

    job = ended(employ(flaky, max_attempts=5, backoff=[0, 0.05]).delay())

    assert (job.state, job.attempt, job.failures, job.return_value) == (State.SUCCEEDED, 3, 2, 2)
    assert [row.trigger for row in job.attempts.all()] == ["automatic"] * 3


def test_a_job_that_fails_for_good_is_a_failure_for_celery(employ: Make) -> None:
    def fail(_self: Any) -> None:
        raise ValueError("no stock")

    result = employ(fail).delay()

    job = ended(result)
    assert (job.state, job.error_message) == (State.FAILED, "no stock")
    eventually(lambda: result.state == states.FAILURE)


def test_a_message_that_arrives_twice_runs_once(employ: Make) -> None:
    calls: list[int] = []
    begun, go_on = Event(), Event()

    def body(_self: Any) -> None:
        calls.append(1)
        begun.set()
        go_on.wait(20)

    task = employ(body)
    result = task.delay()
    begun.wait(20)
    broker.publish(job_of(result))
    go_on.set()
    ended(result)
    last = employ(add, "demo.last").delay(1)

    ended(last)
    job = job_of(result)
    assert (len(calls), job.attempts.count(), job.state) == (1, 1, State.SUCCEEDED)


def test_a_message_of_an_older_delivery_is_dropped(employ: Make) -> None:
    calls: list[int] = []
    task = employ(lambda_free(calls))
    result = task.delay()
    old = ended(result)
    old.delivery, old.attempt = 1, 0
    actions.retry(old.id, confirm_succeeded=True)
    eventually(lambda: len(calls) == 2)

    broker.publish(old)
    ended(employ(add, "demo.last").delay(1))

    assert len(calls) == 2


def lambda_free(calls: list[int]) -> Callable[[Any], None]:
    def body(_self: Any) -> None:
        calls.append(1)

    return body


def test_a_message_somebody_else_sent_is_adopted(employ: Make, app: Celery) -> None:
    employ(add, "demo.add")

    result = app.send_task("demo.add", (1,), {"y": 2}, task_id="foreign")

    job = ended(result)
    assert (job.task_id, job.state, job.return_value) == ("foreign", State.SUCCEEDED, 3)
    assert (job.queue, job.attempt, job.delivery) == ("celery", 1, 1)


def test_an_adopted_job_can_be_retried(employ: Make, app: Celery) -> None:
    def flaky(self: Any) -> int:
        if self.attempts == 1:
            raise ValueError
        return self.attempts  # type: ignore[no-any-return]

    employ(flaky, "demo.flaky", max_attempts=3)

    job = ended(app.send_task("demo.flaky"))

    assert (job.state, job.return_value, Job.objects.count()) == (State.SUCCEEDED, 2, 1)


def test_celerys_own_retry_waits_in_the_database(employ: Make) -> None:
    seen: list[tuple[int, int]] = []

    def body(self: Any, x: int) -> int:
        seen.append((x, self.request.retries))
        if self.request.retries < 2:
            raise self.retry(args=(x + 1,), countdown=0.02, exc=ValueError("busy"))
        return x

    job = ended(employ(body).delay(1))

    assert (job.state, job.return_value, seen) == (State.SUCCEEDED, 3, [(1, 0), (2, 1), (3, 2)])
    assert [row.outcome for row in job.attempts.all()] == ["failed", "failed", "succeeded"]
    assert Job.objects.count() == 1


def test_autoretry_waits_in_the_database_too(employ: Make) -> None:
    def flaky(self: Any) -> int:
        if self.attempts < 3:
            raise ValueError
        return self.attempts  # type: ignore[no-any-return]

    options = {"autoretry_for": (ValueError,), "default_retry_delay": 0.02, "max_retries": 5}
    job = ended(employ(flaky, **options).delay())

    assert (job.state, job.return_value) == (State.SUCCEEDED, 3)


@pytest.mark.parametrize(
    ("error", "state"), [(Ignore(), State.SUCCEEDED), (Reject("no"), State.FAILED)]
)
def test_celerys_own_verbs_end_the_job(employ: Make, error: Exception, state: State) -> None:
    def body(_self: Any) -> None:
        raise error

    assert ended(employ(body).delay()).state == state


def test_a_rejected_message_comes_again(employ: Make) -> None:
    def body(self: Any) -> bool:
        if self.attempts == 1:
            raise Reject("later", requeue=True)
        return bool(self.request.delivery_info["redelivered"])

    job = ended(employ(body).delay())

    assert (job.state, job.attempt, job.failures, job.return_value) == (State.SUCCEEDED, 2, 0, True)


def test_a_task_that_replaces_itself_is_followed_by_its_successor(employ: Make) -> None:
    successor = employ(add, "demo.add")

    def body(self: Any) -> None:
        raise self.replace(successor.s(1, 2))

    result = employ(body).delay()

    assert result.get(timeout=20) == 3
    first = eventually(
        lambda: Job.objects.filter(task="demo.task").exclude(finished_at=None).first()
    )
    second = Job.objects.get(task="demo.add")
    assert (first.state, first.completed_code) == (State.SUCCEEDED, "replaced")
    assert (first.replaced_by, second.parent_id) == (second.id, first.id)


def test_a_link_that_replaces_itself_passes_on_what_its_stand_in_returns(employ: Make) -> None:
    successor = employ(add, "demo.add")

    def body(self: Any) -> None:
        raise self.replace(celery.chain(successor.s(1, 2), successor.s(10)))

    task = employ(body)
    result = chain(task.s(), successor.s(100)).delay()

    assert result.get(timeout=20) == 113
    first = Job.objects.get(task="demo.task")
    assert task.AsyncResult(first.task_id).get(timeout=20) == 13
    assert Batch.objects.get(batch_id=None).state == State.SUCCEEDED


def test_a_released_job_comes_again_without_a_failure(employ: Make) -> None:
    def body(self: Any) -> int:
        if self.attempts < 3:
            self.release(delay=0.01)
        return self.attempts  # type: ignore[no-any-return]

    job = ended(employ(body).delay())

    assert (job.state, job.return_value, job.failures, job.releases) == (State.SUCCEEDED, 3, 0, 2)


def test_a_delayed_job_still_knows_its_eta(employ: Make) -> None:
    def when(self: Any) -> str | None:
        return self.request.eta  # type: ignore[no-any-return]

    task = employ(when)
    delayed, direct = task.apply_async(countdown=0.2), task.delay()
    due = job_of(delayed).available_at

    assert due is not None
    assert ended(delayed).return_value == due.isoformat()
    assert ended(direct).return_value is None


def test_a_countdown_is_waited_for_in_the_database(employ: Make) -> None:
    called = timezone.now()
    result = employ(add).apply_async((1,), countdown=0.2)

    job = ended(result)
    assert job.available_at is not None
    assert job.available_at >= called + timedelta(seconds=0.2)
    assert job.queued_at is not None
    assert job.queued_at >= job.available_at  # until then no message was sent
    assert job.started_at is not None
    assert job.started_at >= job.available_at


def test_a_job_enqueued_by_a_job_knows_its_parent_and_root(employ: Make) -> None:
    inner = employ(add, "demo.inner")

    def outer(_self: Any) -> str:
        return str(inner.delay(1).id)

    result = employ(outer, "demo.outer").delay()

    parent = ended(result)
    child = eventually(Job.objects.filter(task="demo.inner").first)
    assert (child.parent_id, child.root_id) == (parent.id, parent.task_id)
    ended(inner.AsyncResult(child.task_id))


def test_lines_and_progress_are_seen_while_the_job_runs(employ: Make) -> None:
    go_on = Event()

    def body(self: Any) -> None:
        logger.warning("half way")
        self.progress(50, 100, "loading")
        go_on.wait(20)

    result = employ(body).delay()

    eventually(LogLine.objects.filter(message="half way").exists)
    eventually(Job.objects.filter(progress_current=50, progress_message="loading").exists)
    go_on.set()
    ended(result)


def test_a_retried_job_says_why_it_ran_again(employ: Make) -> None:
    def flaky(self: Any) -> int:
        if self.attempts == 1:
            raise ValueError
        return self.attempts  # type: ignore[no-any-return]

    job = ended(employ(flaky).delay())

    actions.retry(job.id, actor="ana")

    eventually(Job.objects.filter(pk=job.id, state=State.SUCCEEDED).exists)
    assert [row.trigger for row in job.attempts.all()] == ["automatic", "operator"]


def test_a_worker_is_known_while_it_works(employ: Make) -> None:
    ended(employ(add).delay(1))

    row = eventually(Worker.objects.first)
    assert (row.hostname, row.pool, row.stopped_at) == ("w1@host", "thread", None)
    assert "celery" in row.queues
