from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from celery_jobman.core import bulk
from celery_jobman.models import Batch, Job
from celery_jobman.models.database import atomic
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import NOON, unsaved_job

pytestmark = pytest.mark.django_db


def test_rows_are_written_as_the_orm_would_write_them() -> None:
    rows = [
        unsaved_job(args="[1]", tags=["x"], position=0),
        unsaved_job(args='["%s", 2]', tags=["x"], position=1, follows_id=uuid7()),
        unsaved_job(attribs={"a": 1}, delay=timedelta(minutes=1), owner_id=None),
        unsaved_job(priority=3, state=State.SCHEDULED, available_at=NOON, result='"€"'),
    ]
    wanted = [_columns(row) for row in rows]

    bulk.insert_all(Job, rows)

    assert [_columns(Job.objects.get(pk=row.pk)) for row in rows] == wanted


def _columns(job: Job) -> dict[str, Any]:
    return {field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields}


def test_a_row_that_is_refused_leaves_no_other_behind() -> None:
    rows = [unsaved_job(), unsaved_job()]
    rows[1].id = rows[0].id

    with pytest.raises(DatabaseError), atomic():
        bulk.insert_all(Job, rows)

    assert not Job.objects.exists()


@pytest.mark.parametrize("number", [0, 1])
def test_few_rows_are_left_to_the_orm(number: int) -> None:
    bulk.insert_all(Job, [unsaved_job() for _ in range(number)])

    assert Job.objects.count() == number


def test_batches_are_rows_as_well() -> None:
    rows = [Batch(state=State.RUNNING, root_id=uuid7(), created_at=NOON) for _ in range(3)]

    bulk.insert_all(Batch, rows)

    assert Batch.objects.count() == 3


def test_what_is_the_same_in_all_rows_is_sent_once() -> None:
    rows = [unsaved_job(label="the same", state=State.QUEUED) for _ in range(50)]
    for row in rows:
        row.label = rows[0].label

    with CaptureQueriesContext(connection) as queries:
        bulk.insert_all(Job, rows)

    if connection.vendor == "postgresql":
        assert len(queries) == 1
        assert queries[0]["sql"].count("the same") == 1
    assert Job.objects.filter(label="the same").count() == 50
