from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from celery_jobman.admin.reading import as_uuid
from celery_jobman.core import actions
from celery_jobman.models import Batch, Job, JobAction, LogLine, Queue, Worker
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import (
    NOON,
    attempt,
    begun_batch,
    checkpoint,
    finished_job,
    log_line,
    queued_job,
    worker,
)

if TYPE_CHECKING:
    from django.db.models import Model
    from django.test import Client

pytestmark = pytest.mark.django_db

TABLES = (Batch, Job, JobAction, LogLine, Queue, Worker)


@pytest.fixture
def rows() -> dict[type[Model], Model]:
    """One row of every table that the admin shows."""
    job = finished_job(State.FAILED, error_message="row 12 has no name", preview='"a.csv"')
    attempt(job, traceback="Traceback (most recent call last):\nValueError: bad row")
    checkpoint(job, "fetch", {"secret": "not shown"})
    return {
        Batch: begun_batch(name="nightly", total=1),
        Job: job,
        JobAction: actions.record("retry", job.id, actor="ann", reason="why not", now=NOON),
        LogLine: log_line(job, "row 7 is odd"),
        Queue: Queue.objects.create(name="celery", consumed_at=NOON),
        Worker: worker(queues=["celery"]),
    }


def _url(table: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:jobman_{table._meta.model_name}_{page}", args=args)


def test_every_table_that_people_read_is_there() -> None:
    registered = {table for table in admin.site._registry if table._meta.app_label == "jobman"}

    assert registered == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_lists_and_pages_can_be_read(
    admin_client: Client, rows: dict[type[Model], Model], table: type[Model]
) -> None:
    assert admin_client.get(_url(table, "changelist")).status_code == 200
    assert admin_client.get(_url(table, "change", rows[table].pk)).status_code == 200


@pytest.mark.parametrize("table", TABLES)
def test_nothing_can_be_written(
    admin_client: Client, rows: dict[type[Model], Model], table: type[Model]
) -> None:
    key = rows[table].pk

    assert admin_client.get(_url(table, "add")).status_code == 403
    assert admin_client.post(_url(table, "change", key), {}).status_code == 403
    assert admin_client.post(_url(table, "delete", key), {"post": "yes"}).status_code == 403
    assert 'name="_save"' not in admin_client.get(_url(table, "change", key)).content.decode()
    assert table._default_manager.count() == 1


def test_a_job_shows_its_attempts_steps_and_the_way_to_its_log(
    admin_client: Client, rows: dict[type[Model], Model]
) -> None:
    job = rows[Job]

    page = admin_client.get(_url(Job, "change", job.pk)).content.decode()

    assert "ValueError: bad row" in page
    assert "fetch" in page
    assert "not shown" not in page
    assert f"{_url(LogLine, 'changelist')}?job_id={job.pk}" in page


def test_the_log_of_one_job_is_only_its_own(
    admin_client: Client, rows: dict[type[Model], Model]
) -> None:
    log_line(finished_job(), "of another job")

    page = admin_client.get(_url(LogLine, "changelist"), {"job_id": str(rows[Job].pk)})

    assert "row 7 is odd" in page.content.decode()
    assert "of another job" not in page.content.decode()


@pytest.mark.parametrize("term", ["{job.id}", "{job.id.hex}", "celery-id", "demo.mine"])
def test_a_job_is_found_by_its_ids_and_its_task(admin_client: Client, term: str) -> None:
    job = queued_job(task="demo.mine", task_id="celery-id")
    queued_job()

    found = admin_client.get(_url(Job, "changelist"), {"q": term.format(job=job)})

    assert list(found.context["cl"].queryset) == [job]


@pytest.mark.parametrize("table", [LogLine, JobAction])
def test_rows_of_a_job_are_found_by_its_id(
    admin_client: Client, rows: dict[type[Model], Model], table: type[Model]
) -> None:
    for term, expected in {str(rows[Job].pk): 1, str(uuid7()): 0, "row": 0, " ": 1}.items():
        found = admin_client.get(_url(table, "changelist"), {"q": term})

        assert found.context["cl"].result_count == expected, term


def test_lists_ask_the_same_number_of_queries_however_long_they_are(admin_client: Client) -> None:
    owner = get_user_model().objects.create_user("ann")
    admin_client.get(_url(Job, "changelist"))

    asked = []
    for _ in range(2):
        for _ in range(5):
            queued_job(owner=owner, created_at=timezone.now())
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(_url(Job, "changelist"))
        asked.append([query["sql"].replace("`", '"') for query in captured])

    (page,) = [sql for sql in asked[1] if 'FROM "jobman_job"' in sql and "LIMIT 51" in sql]
    assert len(asked[0]) == len(asked[1])
    assert not any(f'"{big}"' in page for big in ("args", "message", "result"))


def test_a_text_that_is_no_id_is_none() -> None:
    assert as_uuid("nope") is None
    assert as_uuid(" 01a205ff-0000-7000-8000-000000000001 ") is not None


def test_actions_are_told_and_found_in_words(admin_client: Client) -> None:
    job = queued_job()
    for verb in ("retry from", "own"):
        actions.record(verb, job.pk, actor="ann", reason="", now=NOON)
    listed = _url(JobAction, "changelist")

    every = admin_client.get(listed).content.decode()
    some = admin_client.get(listed, {"verb": "retry from"}).context["cl"]

    assert '<td class="field-done">Retried from a step</td>' in every
    assert '<td class="field-done">own</td>' in every
    assert "?verb=retry+from" in every
    assert [action.verb for action in some.result_list] == ["retry from"]
