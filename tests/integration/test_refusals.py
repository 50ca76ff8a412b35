"""Bad input, each with the words of its refusal; and what a refusal leaves: nothing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from celery import Celery
from celery.exceptions import Ignore
from django.contrib.auth import get_user_model
from django.db import connection

from celery_jobman import JobTask, actions
from celery_jobman.exceptions import (
    ArgumentsRefused,
    DatabaseUnwritable,
    JobmanError,
    JobNotFound,
    TransitionRefused,
    UnencodableValue,
    UnknownStep,
    UnknownTask,
)
from celery_jobman.models import Job, JobAction
from celery_jobman.runtime import execution
from celery_jobman.runtime.messages import HEADER, header
from celery_jobman.states import State
from tests.factories import checkpoint, finished_job, queued_job, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit
    from pytest_django import Settings as Project

    from tests.integration.conftest import Drain, Make

pytestmark = pytest.mark.django_db


def add(_self: Any, x: Any, y: Any = 1) -> Any:
    return x + y


@pytest.fixture
def task(make: Make) -> Task:
    return make(add, "demo.add")


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((object(),), {}, "argument 1 is a object and cannot be written as JSON"),
        ((1,), {"y": {1, 2}}, "argument 'y' is a set and cannot be written as JSON"),
        ((1, [lambda: 1]), {}, "argument 2 is a list and cannot be written as JSON"),
    ],
)
def test_an_argument_that_is_no_json_is_named(
    task: Task, drain: Drain, args: Any, kwargs: Any, words: str
) -> None:
    with pytest.raises(UnencodableValue, match=words) as refused:
        task.apply_async(args, kwargs, after_commit=False)

    assert "pass an id, a string or another JSON value instead" in str(refused.value)
    assert (Job.objects.count(), drain()) == (0, [])


def test_a_model_instance_is_refused_with_what_to_pass_instead(task: Task) -> None:
    user = get_user_model()(username="ana")

    with pytest.raises(UnencodableValue, match=r"argument 1 is a User .* pass an id"):
        task.delay(user)


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
def test_arguments_that_do_not_fit_the_task_are_refused_as_celery_does(
    task: Task, args: tuple[int, ...]
) -> None:
    with pytest.raises(TypeError, match="argument"):
        task.delay(*args)
    assert not Job.objects.exists()


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "🎈" * 300, "</script>", "%s"])
def test_any_text_is_an_argument(task: Task, text: str) -> None:
    task.delay(text, y=text)

    job = Job.objects.get()
    assert job.arguments == ([text], {"y": text})
    assert 0 < len(job.preview) <= 200


def test_time_limits_that_contradict_each_other_are_refused_as_celery_does(make: Make) -> None:
    task = make(add, soft_time_limit=60, time_limit=30)

    with pytest.raises(ValueError, match="soft_time_limit must be less than"):
        task.delay(1)


def test_a_step_that_is_not_there_is_named_with_those_that_are(task: Task) -> None:
    job = finished_job(task=task.name, declared_steps=["fetch", "load"])
    checkpoint(job, "fetch")

    with pytest.raises(UnknownStep) as refused:
        actions.retry_from(job.id, "lod")
    assert str(refused.value) == f"job {job.id} has no step 'lod'; its steps are: fetch, load"


def test_a_running_job_cannot_be_retried(task: Task) -> None:
    job = running_job(task=task.name)

    with pytest.raises(TransitionRefused) as refused:
        actions.retry(job.id)
    assert str(refused.value) == (
        f"job {job.id} is running and cannot be retried; cancel it first, or wait for its end"
    )


def test_a_success_is_not_retried_by_accident(task: Task) -> None:
    job = finished_job(State.SUCCEEDED, task=task.name)

    with pytest.raises(TransitionRefused, match="confirm that it shall run again"):
        actions.retry(job.id)


def test_edited_arguments_that_do_not_fit_are_refused(task: Task) -> None:
    job = finished_job(task=task.name, args="[1]")

    with pytest.raises(ArgumentsRefused) as refused:
        actions.fork(job.id, args=[])
    assert str(refused.value).startswith("the arguments do not fit demo.add: ")
    assert "'x'" in str(refused.value)


def test_arguments_of_a_task_nobody_knows_cannot_be_edited() -> None:
    job = finished_job(task="demo.gone")

    with pytest.raises(UnknownTask, match=r"no task is registered as 'demo\.gone'"):
        actions.fork(job.id, args=[1])


@pytest.mark.parametrize("verb", [actions.retry, actions.cancel, actions.forget, actions.fork])
def test_a_job_that_is_not_there_is_named(verb: Any) -> None:
    job_id = uuid4()

    with pytest.raises(JobNotFound) as refused:
        verb(job_id)
    assert str(refused.value) == f"there is no job {job_id}; `jobman list` shows the ids there are"


def test_every_refusal_is_one_kind_of_error(task: Task) -> None:
    with pytest.raises(JobmanError):
        actions.retry(running_job(task=task.name).id)
    assert not JobAction.objects.exists()


def test_the_second_worker_with_the_same_message_does_nothing(task: Task) -> None:
    job = queued_job(task=task.name, args="[1]")
    request = {"id": job.task_id, "headers": {HEADER: header(job)}, "called_directly": False}
    task.push_request(**request)
    execution.begin(task)

    with pytest.raises(Ignore, match="stale or duplicate message"):
        execution.begin(task)

    task.pop_request()
    job.refresh_from_db()
    assert (job.state, job.attempt) == (State.RUNNING, 1)


@pytest.fixture
def read_only() -> Iterator[None]:
    """Let the database refuse to write."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
    elif connection.vendor == "sqlite":
        connection.ensure_connection()
        assert isinstance(connection.connection, sqlite3.Connection)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = on")
        yield
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = off")
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ WRITE")


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_is_said_to_be_one(task: Task, drain: Drain, read_only: None) -> None:
    with pytest.raises(DatabaseUnwritable) as refused:
        task.delay(1)

    message = str(refused.value)
    assert message.startswith("demo.add was not enqueued: its row could not be written")
    assert "read" in message.lower()
    assert message.endswith("no message was sent, call again when the database accepts writes")
    assert (drain(), read_only) == ([], None)


@pytest.fixture
def lonely(settings: Project) -> Iterator[Task]:
    """Return a task of an app whose broker is down."""
    settings.JOBMAN = {"PUBLISH_TIMEOUT": 1}
    app = Celery("lonely", broker="redis://127.0.0.1:1/0", task_cls=JobTask, set_as_current=False)
    yield app.task(name="demo.lonely", bind=True, shared=False)(add)
    app.close()


def test_with_the_broker_down_the_job_waits_in_the_database(
    lonely: Task, django_capture_on_commit_callbacks: Commit
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        result = lonely.delay(1)

    job = Job.objects.get()
    assert result.id == job.task_id
    assert (job.state, job.available_at is not None) == (State.SCHEDULED, True)
    assert "Error" in job.dispatch_error
