from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from celery import Celery
from django.db import IntegrityError, OperationalError
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from celery_jobman.runtime import broker
from celery_jobman.runtime.messages import HEADER, header
from celery_jobman.states import State
from tests.factories import LATER, NOON, queued_job, scheduled_job
from tests.unit.runtime.mail import messages_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit
    from pytest_django import Settings as Project

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def away() -> Iterator[Celery]:
    """Return an app whose broker refuses connections."""
    app = Celery("away", broker="amqp://guest:guest@127.0.0.1:1//", set_as_current=False)
    yield app
    app.close()


def test_a_message_leaves_with_our_header(app: Celery, task: Task, queue: str) -> None:
    job = queued_job(args="[1]", kwargs='{"y": 2}', queue=queue, task=task.name, priority=3)

    broker.publish(job)

    (message,) = messages_in(app, queue)
    assert (message.headers["id"], message.headers["task"]) == (job.task_id, "demo.add")
    assert (message.headers[HEADER], message.properties["priority"]) == (header(job), 3)
    assert message.payload[:2] == [[1], {"y": 2}]


def test_a_broker_that_refuses_is_an_error_at_once(away: Celery) -> None:
    with pytest.raises(BrokerError):
        broker.publish(queued_job(), app=away)


def test_a_message_waits_for_the_commit(
    app: Celery, task: Task, queue: str, django_capture_on_commit_callbacks: Commit
) -> None:
    job = queued_job(queue=queue, task=task.name)

    with django_capture_on_commit_callbacks(execute=True):
        broker.publish_on_commit(job, app=app, options={"queue": queue})
        before = messages_in(app, queue)

    assert (before, len(messages_in(app, queue))) == ([], 1)


@pytest.mark.parametrize(
    ("setting", "option"), [({"AFTER_COMMIT": False}, {}), ({}, {"after_commit": False})]
)
def test_a_message_can_leave_at_once(
    app: Celery,
    task: Task,
    queue: str,
    settings: Project,
    setting: dict[str, Any],
    option: dict[str, Any],
) -> None:
    settings.JOBMAN = setting
    job = queued_job(queue=queue, task=task.name)

    broker.publish_on_commit(job, app=app, options={"queue": queue, **option})

    assert len(messages_in(app, queue)) == 1


def test_a_message_that_is_refused_after_the_commit_leaves_a_scheduled_job(
    away: Celery, django_capture_on_commit_callbacks: Commit
) -> None:
    job = queued_job()

    with django_capture_on_commit_callbacks(execute=True):
        broker.publish_on_commit(job, app=away, options={})

    job.refresh_from_db()
    assert job.state == State.SCHEDULED
    assert job.dispatch_error.startswith("OperationalError")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    messages: list[Job] = []
    monkeypatch.setattr(broker, "publish", messages.append)
    monkeypatch.setattr(timezone, "now", lambda: NOON)
    return messages


def test_a_scheduled_job_can_be_dispatched(sent: list[Job]) -> None:
    job = scheduled_job()

    broker.dispatch(job)

    assert sent == [job]


@pytest.mark.parametrize(("fields", "count"), [({}, 1), ({"available_at": LATER}, 0)])
def test_a_job_that_was_just_put_back_leaves_if_it_is_due(
    sent: list[Job], fields: dict[str, Any], count: int
) -> None:
    job = scheduled_job(**fields)

    broker.send_if_due(job.id)

    assert len(sent) == count


def test_a_job_that_is_gone_is_not_sent(sent: list[Job]) -> None:
    broker.send_if_due(uuid4())

    assert sent == []


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("error", [OperationalError, IntegrityError, ValueError])
def test_what_cannot_be_sent_at_once_is_left_to_a_dispatcher(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    monkeypatch.setattr(broker, "dispatch", Mock(side_effect=error))
    job = scheduled_job()

    broker.send_if_due(job.id)

    assert f"Job is left to a dispatcher job={job.id}" in caplog.text


class Consumer:
    """As Celery's, before 5.7: it unsubscribes whatever it is asked to."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.subscribed_to = {b"key-t1", b"key-t2"}
        self.unsubscribed: list[str] = []

    def cancel_for(self, task_id: str) -> None:
        self.unsubscribed.append(task_id)


def test_a_result_that_was_refused_is_dropped_without_a_word_to_its_backend() -> None:
    celery = Mock()
    celery.backend.get_key_for_task = lambda task_id: b"key-" + task_id.encode()
    celery.backend.result_consumer = consumer = Consumer(celery.backend)

    for _ in range(2):
        broker._forget_result(celery, "t1")
    consumer.cancel_for("t1")
    consumer.cancel_for("t2")

    assert consumer.subscribed_to == {b"key-t2"}
    assert consumer.unsubscribed == ["t2"]


def test_a_result_backend_that_is_away_is_not_waited_for() -> None:
    broken = Mock()
    broken.backend.result_consumer.subscribed_to.discard.side_effect = ConnectionError

    broker._forget_result(broken, "t1")
