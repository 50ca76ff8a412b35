from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model

from celery_jobman.admin.listing import conditions, ids, names
from celery_jobman.admin.listing.search import parse
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import EARLIER, finished_job, queued_job, running_job, scheduled_job, worker

pytestmark = pytest.mark.django_db

BATCH = UUID("01a205ff-0000-7000-8000-000000000001")


def found(text: str) -> list[Job]:
    asked = parse(text)
    assert asked.problems == ()
    return list(Job.objects.filter(conditions.of(asked.terms)))


def test_a_job_is_found_by_its_id_its_beginning_and_its_celery_id() -> None:
    job = queued_job(task_id="celery-id")
    queued_job(id="a2a205ff-0000-7000-8000-000000000001")

    for text in (str(job.id), job.id.hex, str(job.id)[:23], job.id.hex[:17], "celery-id"):
        assert found(text) == [job], text


def test_a_celery_id_that_is_another_uuid_finds_its_job() -> None:
    other = str(uuid7())
    job = queued_job(task_id=other)

    assert found(other) == [job]


def test_a_word_is_the_beginning_of_a_task_and_nothing_else() -> None:
    mine = queued_job(task="shop.tasks.send")
    queued_job(task="shopping.send")
    queued_job(task="my.shop.tasks")

    assert found("shop.") == [mine]
    assert found("task:shop.*") == [mine]
    assert found("task:shop.") == []
    assert found("task:shop.tasks.send") == [mine]
    assert found("shop_tasks") == []
    assert found("%") == []


def test_beginnings_are_still_found_when_there_are_too_many_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conditions, "KNOWN", 1)
    queued_job(task="a.first")
    mine = queued_job(task="b_.second")
    queued_job(task="bc.third")

    assert found("b_") == [mine]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("queue:mails", {"queue": "mails"}),
        ("fingerprint:abc", {"fingerprint": "abc"}),
        (f"batch:{BATCH}", {"batch_id": BATCH}),
        (f"batch:{BATCH.hex} fingerprint:abc", {"batch_id": BATCH, "fingerprint": "abc"}),
        ("error:SMTPError", {"error_class": "smtplib.SMTPError"}),
        ("error:smtplib.SMTPError", {"error_class": "smtplib.SMTPError"}),
        ("error:ValueError", {"error_class": "ValueError"}),
        ("tag:nightly", {"tags": ["a", "nightly"]}),
        ('tag:"größe 1"', {"tags": ["größe 1"]}),
        ("state:queued task:x", {"task": "x"}),
    ],
)
def test_terms_find_what_they_name(text: str, fields: dict[str, object]) -> None:
    job = queued_job(**fields)
    queued_job(tags=["nightly-not"], error_class="my.NotSMTPError", batch_id=uuid7())
    queued_job(role="then", batch_id=BATCH)

    assert found(text) == [job]


def test_shades_of_a_state_are_found() -> None:
    retrying = scheduled_job(attempt=1)
    scheduled_job()
    cancelling = running_job(cancel_requested_at=EARLIER)
    running_job()

    assert found("state:retrying") == [retrying]
    assert found("state:cancelling") == [cancelling]
    assert len(found("state:running")) == 2


def test_workers_are_found_by_their_short_and_whole_name() -> None:
    job = running_job(worker_id=worker(hostname="w1@host").id)
    running_job(worker_id=worker(hostname="w11@host").id)

    assert found("worker:w1") == [job]
    assert found("worker:w1@host") == [job]


def test_owners_are_found_by_their_name() -> None:
    ann = get_user_model().objects.create_user("ann")
    job = queued_job(owner=ann)
    queued_job()

    assert found("owner:ann") == [job]


def test_times_are_compared_with_the_ids() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    before = queued_job(id=ids.first_at(noon - timedelta(milliseconds=1)))
    after = queued_job(id=ids.first_at(noon))

    assert found("before:2026-01-31T12:00") == [before]
    assert found("after:2026-01-31T12:00") == [after]


def test_running_times_are_measured() -> None:
    short = finished_job(State.SUCCEEDED, finished_at=EARLIER + timedelta(seconds=30))
    long = finished_job(State.SUCCEEDED, finished_at=EARLIER + timedelta(seconds=31))
    going = running_job(started_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert found("ran:<31s") == [short]
    assert found("ran:>30s") == [going, long]


def test_names_are_read_once_each_in_their_order() -> None:
    for task in ("b", "a", "b", "c"):
        queued_job(task=task)

    assert names.every("task") == ["a", "b", "c"]
    assert names.every("task", 2) == ["a", "b"]
    assert names.recent(Job.objects.filter(task="b"), "task") == ["b"]


def test_an_empty_table_has_no_names() -> None:
    assert names.every("queue") == []
