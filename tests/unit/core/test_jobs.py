from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connections, transaction

from celery_jobman import signals
from celery_jobman.core import statements
from celery_jobman.core.jobs import enqueue, find
from celery_jobman.exceptions import DatabaseUnwritable, JobNotFound
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import LATER, NOON, queued_job, unsaved_job

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks as Commit

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def test_a_job_is_written_as_queued_for_its_first_delivery() -> None:
    job = enqueue(unsaved_job(), now=NOON)

    row = Job.objects.get(pk=job.id)
    assert (row.state, row.delivery) == (State.QUEUED, 1)
    assert row.created_at == row.queued_at == NOON


def test_a_job_for_later_waits_in_the_database() -> None:
    job = enqueue(unsaved_job(state=State.SCHEDULED, available_at=LATER), now=NOON)

    row = Job.objects.get(pk=job.id)
    assert (row.delivery, row.queued_at, row.available_at) == (0, None, LATER)


def test_enqueueing_is_one_statement(budget: Budget) -> None:
    job = unsaved_job()

    with budget(1):
        enqueue(job, now=NOON)


def test_the_job_that_was_written_can_be_saved_again() -> None:
    job = enqueue(unsaved_job(), now=NOON)

    job.label = "touched"
    job.save()

    assert Job.objects.get().label == "touched"


def test_the_job_is_part_of_the_callers_transaction() -> None:
    with transaction.atomic():
        enqueue(unsaved_job(), now=NOON)
        transaction.set_rollback(True)

    assert not Job.objects.exists()


def test_it_is_announced_after_the_commit(django_capture_on_commit_callbacks: Commit) -> None:
    heard: list[Any] = []

    def listen(job_id: Any, task: str, **_: Any) -> None:
        heard.append((job_id, task))

    signals.job_enqueued.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        job = enqueue(unsaved_job(), now=NOON)
    signals.job_enqueued.disconnect(listen)

    assert heard == [(job.id, "demo.add")]


def test_a_row_that_the_database_refuses_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise DatabaseError("attempt to write a readonly database")

    monkeypatch.setattr(statements, "insert", refuse)

    with pytest.raises(DatabaseUnwritable, match=r"demo\.add was not enqueued.*readonly") as error:
        enqueue(unsaved_job(), now=NOON)
    assert error.value.task == "demo.add"


@pytest.mark.skipif(connections["default"].vendor != "postgresql", reason="needs PostgreSQL")
def test_a_read_only_postgresql_is_said_to_be_one() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")

    with (
        pytest.raises(DatabaseUnwritable, match="read-only transaction"),
        transaction.atomic(),
    ):
        enqueue(unsaved_job(), now=NOON)


def test_a_job_is_found_by_its_id() -> None:
    job = queued_job()

    assert find(job.id) == find(str(job.id)) == job


def test_a_job_is_found_by_the_task_id_the_caller_chose() -> None:
    job = queued_job(task_id="nightly")

    assert find("nightly") == job


def test_a_job_is_found_by_a_task_id_that_looks_like_another_id() -> None:
    chosen = uuid4()
    job = queued_job(task_id=str(chosen))

    assert find(chosen) == find(str(chosen)) == job


def test_of_several_jobs_with_one_task_id_the_newest_is_found() -> None:
    newest, _ = (
        queued_job(id=UUID(f"0190000{moment}-0000-7000-8000-000000000000"), task_id="nightly")
        for moment in (2, 1)
    )

    assert find("nightly") == newest


@pytest.mark.parametrize("reference", ["nightly", str(uuid4()), uuid4(), ""])
def test_what_is_not_there_is_named(reference: Any) -> None:
    with pytest.raises(JobNotFound, match=f"there is no job {reference}"):
        find(reference)
