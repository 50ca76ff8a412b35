"""Many messages leave through one producer."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from celery_jobman.core import dispatching
from celery_jobman.runtime import broker, sending
from tests.factories import LATER, queued_job, scheduled_job
from tests.unit.runtime.mail import messages_in

if TYPE_CHECKING:
    from celery import Celery, Task
    from pytest_django import Settings as Project

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db


def test_they_leave_in_their_order(app: Celery, task: Task, queue: str) -> None:
    jobs = [queued_job(queue=queue, task=task.name) for _ in range(3)]

    assert broker.publish_all(jobs) == (3, None)

    sent = [message.headers["id"] for message in messages_in(app, queue)]
    assert sent == [job.task_id for job in jobs]


def test_it_ends_with_the_first_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [queued_job() for _ in range(3)]
    refusal = ConnectionError("enough")
    sent = Mock(side_effect=[None, refusal])
    monkeypatch.setattr(sending, "message_sender", lambda _: sent)

    assert broker.publish_all(jobs) == (1, refusal)


def test_a_broker_that_says_nothing_is_given_up(
    settings: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOBMAN = {"PUBLISH_TIMEOUT": 0.01}
    monkeypatch.setattr(broker, "SECONDS_EACH", 0.0)
    silence = Event()
    monkeypatch.setattr(sending, "message_sender", lambda _: lambda *_, **__: silence.wait(30))
    try:
        taken, error = broker.publish_all([queued_job()])
    finally:
        silence.set()

    assert (taken, type(error).__name__) == (0, "OperationalError")


def test_only_those_that_are_due_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Job] = []

    def take(jobs: list[Job]) -> tuple[int, None]:
        sent.extend(jobs)
        return len(jobs), None

    monkeypatch.setattr(broker, "publish_all", take)
    now = timezone.now()
    due = [scheduled_job(available_at=now), scheduled_job(available_at=now)]
    later = scheduled_job(available_at=LATER)

    broker.send_all_due([job.id for job in (*due, later)])

    assert [job.id for job in sent] == [job.id for job in due]


def test_one_is_sent_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Mock()
    monkeypatch.setattr(broker, "send_if_due", send)
    job = scheduled_job()

    broker.send_all_due([job.id])

    send.assert_called_once_with(job.id)


@pytest.mark.parametrize("error", [OperationalError("gone"), IntegrityError("no")])
def test_those_that_cannot_be_sent_at_once_are_left_to_a_dispatcher(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(dispatching, "dispatch_all", Mock(side_effect=error))

    assert not broker.send_all_due([scheduled_job().id, scheduled_job().id])

    assert "left to a dispatcher count=2" in caplog.text
