from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError
from django.utils import timezone

from celery_jobman.models import Job
from celery_jobman.runtime import inspection
from tests.factories import queued_job, scheduled_job

if TYPE_CHECKING:
    from celery import Celery

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker(app: Celery, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    timer = Mock(**{"schedule.queue": []})
    return Mock(app=app, hostname="w1@host", consumer=Mock(timer=timer))


def test_a_delayed_job_is_listed_like_a_delayed_task(worker: Any) -> None:
    later = timezone.now() + timedelta(hours=1)
    job = scheduled_job(available_at=later, args="[1]", kwargs='{"y": 2}')

    (entry,) = inspection.scheduled(worker)

    assert (entry["eta"], entry["priority"]) == (later.isoformat(), 6)
    request = entry["request"]
    assert (request["id"], request["args"], request["kwargs"]) == (job.task_id, [1], {"y": 2})
    assert request["delivery_info"]["routing_key"] == "celery"


def test_what_is_due_queued_or_of_another_queue_is_not_listed(worker: Any) -> None:
    later = timezone.now() + timedelta(hours=1)
    queued_job()
    scheduled_job(available_at=timezone.now())
    scheduled_job(available_at=later, queue="nobody consumes this")

    assert inspection.scheduled(worker) == []


def test_a_database_that_is_away_lists_nothing(
    worker: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Mock(side_effect=OperationalError("away"))
    monkeypatch.setattr(Job.objects, "filter", Mock(return_value=Mock(order_by=away)))

    assert inspection.scheduled(worker) == []
    assert "could not be listed" in caplog.text
