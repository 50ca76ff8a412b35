"""What people do to jobs: each verb with its message, its audit row, and Celery's result."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from celery import states
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from celery_jobman import actions
from celery_jobman.core.pruning import prunable
from celery_jobman.exceptions import ArgumentsRefused, TransitionRefused, UnknownStep
from celery_jobman.models import Job, JobAction, Worker
from celery_jobman.runtime.messages import HEADER
from celery_jobman.states import State
from tests.factories import (
    attempt,
    checkpoint,
    finished_job,
    log_line,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery, Task
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.integration.conftest import Drain, Make

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=400)


def add(_self: Any, x: int, y: int = 1) -> int:
    return x + y


@pytest.fixture
def task(make: Make) -> Task:
    return make(add, "demo.add")


@pytest.fixture
def do(
    django_capture_on_commit_callbacks: Commit, drain: Drain
) -> Callable[..., tuple[Any, list[Any]]]:
    """Do something to jobs, and return what it returned and the messages that left."""

    def done(verb: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, list[Any]]:
        with django_capture_on_commit_callbacks(execute=True):
            answer = verb(*args, **options)
        return answer, drain()

    return done


def header_of(message: Any) -> dict[str, Any]:
    header: dict[str, Any] = message.headers[HEADER]
    return header


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.SKIPPED])
def test_a_retried_job_leaves_for_its_next_attempt(task: Task, do: Any, state: State) -> None:
    job = finished_job(state, task=task.name, args="[1]")

    _, (message,) = do(actions.retry, job.id, actor="ana", reason="network is back")

    job.refresh_from_db()
    header = header_of(message)
    assert (header["job"], header["attempt"], header["trigger"]) == (str(job.id), 2, "operator")
    assert (job.state, job.delivery) == (State.QUEUED, header["delivery"])
    assert message.headers["id"] == job.task_id
    action = JobAction.objects.get(job_id=job.id)
    assert (action.verb, action.actor, action.reason) == ("retry", "ana", "network is back")


def test_nothing_leaves_when_the_persons_transaction_is_rolled_back(task: Task, do: Any) -> None:
    job = finished_job(task=task.name)

    def retry_and_change_mind() -> None:
        with transaction.atomic():
            actions.retry(job.id)
            transaction.set_rollback(True)

    _, messages = do(retry_and_change_mind)

    job.refresh_from_db()
    assert (messages, job.state) == ([], State.FAILED)
    assert not JobAction.objects.exists()


def test_a_double_click_sends_one_message(task: Task, do: Any, drain: Drain) -> None:
    job = finished_job(task=task.name)
    _, messages = do(actions.retry, job.id, attempt=1)

    with pytest.raises(TransitionRefused, match="is queued and cannot be retried"):
        do(actions.retry, job.id, attempt=1)

    assert (len(messages), drain()) == (1, [])


def test_a_job_retried_from_a_step_says_what_it_reuses(task: Task, do: Any) -> None:
    job = finished_job(task=task.name)
    for name in ("fetch", "load"):
        checkpoint(job, name)

    plan, messages = do(actions.retry_from, job.id, "load", actor="ana")

    assert (plan.reused, plan.again, len(messages)) == (("fetch",), ("load",), 1)
    assert actions.plan_retry(job.id).again == ()


def test_a_job_retried_from_no_step_stays_as_it_was(task: Task, do: Any) -> None:
    job = finished_job(task=task.name)

    with pytest.raises(UnknownStep):
        do(actions.retry_from, job.id, "load")

    job.refresh_from_db()
    assert job.state == State.FAILED


def test_a_fork_leaves_with_its_own_arguments(task: Task, do: Any) -> None:
    job = finished_job(State.SUCCEEDED, task=task.name, args="[1]", kwargs='{"y": 2}')

    new_id, (message,) = do(actions.fork, job.id, kwargs={"y": 5}, actor="ana")

    assert message.payload[:2] == [[1], {"y": 5}]
    assert message.headers["id"] == str(new_id)
    assert Job.objects.get(pk=new_id).retry_of == job.id


def test_arguments_that_do_not_fit_make_no_fork(task: Task, do: Any) -> None:
    job = finished_job(task=task.name, args="[1]")

    with pytest.raises(ArgumentsRefused, match=r"the arguments do not fit demo\.add"):
        do(actions.fork, job.id, kwargs={"z": 5})

    assert Job.objects.count() == 1


def test_a_rescheduled_job_waits(task: Task, do: Any) -> None:
    job = queued_job(task=task.name)
    later = timezone.now() + timedelta(hours=1)

    _, messages = do(actions.reschedule, job.id, later, actor="ana")

    job.refresh_from_db()
    assert (messages, job.state, job.available_at) == ([], State.SCHEDULED, later)


def test_a_job_rescheduled_for_now_leaves_at_once(task: Task, do: Any) -> None:
    job = scheduled_job(task=task.name, args="[1]")

    _, messages = do(actions.reschedule, job.id, timezone.now())

    job.refresh_from_db()
    assert (len(messages), job.state) == (1, State.QUEUED)


@pytest.mark.parametrize("make_job", [queued_job, scheduled_job])
def test_a_cancelled_job_is_revoked_for_celery(
    task: Task, do: Any, make_job: Callable[..., Job]
) -> None:
    job = make_job(task=task.name)

    state, messages = do(actions.cancel, job.id, actor="ana")

    assert (state, messages) == (State.CANCELLED, [])
    assert task.AsyncResult(job.task_id).state == states.REVOKED


def test_a_running_job_that_was_asked_to_stop_is_not_revoked_yet(task: Task, do: Any) -> None:
    job = running_job(task=task.name)

    state, _ = do(actions.cancel, job.id, force=True)

    assert state == State.RUNNING
    assert task.AsyncResult(job.task_id).state == states.PENDING
    assert Job.objects.get().cancel_forced


def test_jobs_that_are_due_leave(task: Task, do: Any) -> None:
    now = timezone.now()
    scheduled_job(task=task.name, available_at=now, args="[1]")
    scheduled_job(task=task.name, available_at=now + timedelta(hours=1))

    sent, messages = do(actions.dispatch)

    assert (sent, len(messages)) == (1, 1)


def test_an_expired_job_is_revoked_instead_of_sent(task: Task, do: Any) -> None:
    now = timezone.now()
    job = scheduled_job(task=task.name, available_at=now, expires_at=now)

    sent, messages = do(actions.dispatch)

    assert (sent, messages) == (0, [])
    assert task.AsyncResult(job.task_id).state == states.REVOKED


def test_what_dead_workers_held_is_taken_back(task: Task, do: Any) -> None:
    dead = worker(seen=LONG_AGO)
    again = running_job(task=task.name, worker_id=dead.id)
    failed = running_job(task=task.name, worker_id=dead.id, max_attempts=1)

    rescued, _ = do(actions.rescue_lost)

    assert {entry.job_id: entry.state for entry in rescued} == {
        again.id: State.SCHEDULED,
        failed.id: State.FAILED,
    }
    assert task.AsyncResult(failed.task_id).state == states.FAILURE
    assert Worker.objects.exists()


def test_a_forgotten_job_leaves_only_the_audit(task: Task, do: Any) -> None:
    job = finished_job(task=task.name)
    attempt(job)
    log_line(job)

    do(actions.forget, job.id, actor="ana")

    assert not Job.objects.exists()
    assert JobAction.objects.get().verb == "forget"


def test_old_jobs_are_pruned(do: Any) -> None:
    finished_job(finished_at=LONG_AGO)
    kept = finished_job(finished_at=timezone.now())
    cutoff = timezone.now() - timedelta(days=180)

    count, _ = do(actions.prune, prunable(cutoff), actor="ana", reason="disk")

    assert (count, list(Job.objects.all())) == (1, [kept])
    assert JobAction.objects.get().changes["count"] == 1


def test_old_jobs_can_be_trimmed_and_kept(do: Any) -> None:
    job = finished_job(finished_at=LONG_AGO)
    log_line(job)

    count, _ = do(actions.trim, prunable(timezone.now()), actor="ana")

    assert (count, Job.objects.count(), JobAction.objects.get().verb) == (1, 1, "trim")


def test_a_user_is_recorded_as_the_actor(do: Any) -> None:
    user = get_user_model().objects.create(username="ana")
    job = queued_job()

    do(actions.cancel, job.id, actor=user)

    action = JobAction.objects.get()
    assert (action.user, action.actor) == (user, "ana")


def test_a_job_is_found_by_whatever_a_person_has(task: Task) -> None:
    job = queued_job(task=task.name, task_id="nightly")

    assert actions.find(str(job.id)) == actions.find("nightly") == job


def test_a_job_is_retried_under_an_id_that_celery_takes(app: Celery, task: Task, do: Any) -> None:
    job = finished_job(State.SUCCEEDED, task=task.name, args="[1]")
    before = job.task_id

    _, (message,) = do(actions.retry, job.id, confirm_succeeded=True)

    job.refresh_from_db()
    assert message.headers["id"] == job.task_id != before
    assert app.AsyncResult(job.task_id).state == states.PENDING
