from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from celery_jobman.core import callbacks
from celery_jobman.models import Batch, Job, Role
from tests.factories import NOON, batch, unsaved_job

pytestmark = pytest.mark.django_db


def with_callback(role: Role, **fields: Any) -> Batch:
    job = unsaved_job(task="demo.tell", takes_result=True, **fields)
    return batch(callbacks=json.dumps({str(role): [callbacks.template(job)]}))


def test_a_callback_is_a_job_of_its_batch_that_is_due_now() -> None:
    row = with_callback(Role.THEN, queue="mail", args="[1]", tags=["nightly"])

    callbacks.fire(row, Role.THEN, now=NOON)

    job = Job.objects.get()
    assert (job.task, job.queue, job.tags) == ("demo.tell", "mail", ["nightly"])
    assert (job.batch_id, job.role, job.root_id) == (row.id, "then", str(row.id))
    assert (job.state, job.available_at) == ("scheduled", NOON)
    assert job.arguments == ([str(row.id), 1], {})


def test_a_callback_is_told_more() -> None:
    row = with_callback(Role.CATCH)

    callbacks.fire(row, Role.CATCH, {"error": "why"}, now=NOON)

    assert Job.objects.get().arguments == ([str(row.id), {"error": "why"}], {})


def test_an_immutable_callback_is_told_nothing() -> None:
    row = with_callback(Role.FINALLY, args="[1]")
    stored = json.loads(row.callbacks)
    stored["finally"][0]["takes_result"] = False
    row.callbacks = json.dumps(stored)

    callbacks.fire(row, Role.FINALLY, now=NOON)

    assert Job.objects.get().arguments == ([1], {})


def test_only_callbacks_of_the_kind_are_started() -> None:
    callbacks.fire(with_callback(Role.THEN), Role.FINALLY, now=NOON)

    assert not Job.objects.exists()


def test_progress_is_told_now_and_then() -> None:
    row = with_callback(Role.PROGRESS)
    Batch.objects.update(told_at=NOON - timedelta(seconds=5), total=3, pending=2, succeeded=1)

    callbacks.tell_progress(row.id, now=NOON)
    callbacks.tell_progress(row.id, now=NOON + timedelta(seconds=4))

    batch_id, status = Job.objects.get().arguments[0]
    assert batch_id == str(row.id)
    assert (status["progress"], status["succeeded"]) == (33, 1)
