from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from celery_jobman.core import statements
from celery_jobman.core.statements import OneOf, Plus, as_expressions, as_lookups
from celery_jobman.models import Attempt, Job
from tests.factories import EARLIER, NOON, finished_job, queued_job, running_job, unsaved_job

pytestmark = pytest.mark.django_db


def test_an_update_returns_how_many_rows_matched() -> None:
    queued_job(queue="slow")
    queued_job(queue="slow")
    queued_job(queue="fast")

    assert statements.update(Job, {"queue": "slow"}, {"priority": 3}) == 2


def test_a_row_that_holds_the_value_already_matches_too() -> None:
    job = queued_job(priority=3)

    assert statements.update(Job, {"id": job.id}, {"priority": 3}) == 1


def test_a_condition_may_be_one_of_several_values() -> None:
    jobs = [queued_job(queue=name) for name in ("slow", "fast", "mail")]

    statements.update(Job, {"queue": OneOf(("slow", "mail"))}, {"label": "touched"})

    labels = [Job.objects.get(pk=job.id).label for job in jobs]
    assert labels == ["touched", "", "touched"]


def test_one_of_nothing_matches_nothing() -> None:
    queued_job()

    assert statements.update(Job, {"queue": OneOf(())}, {"label": "touched"}) == 0


def test_a_condition_may_be_that_a_column_is_empty() -> None:
    queued_job(priority=1)
    queued_job()

    assert statements.update(Job, {"priority": None}, {"label": "touched"}) == 1


def test_a_change_may_add_to_the_column_or_empty_it() -> None:
    job = running_job(failures=2, pid=4711)

    statements.update(Job, {"id": job.id}, {"failures": Plus(3), "pid": None})

    job.refresh_from_db()
    assert (job.failures, job.pid) == (5, None)


def test_values_are_converted_as_the_orm_does() -> None:
    job = queued_job()
    changes = {"started_at": NOON, "tags": ["a", "ü"], "cancel_forced": True, "worker_id": job.id}

    statements.update(Job, {"id": job.id}, changes)

    row = Job.objects.get(pk=job.id)
    assert {name: getattr(row, name) for name in changes} == changes


def test_the_same_shape_takes_other_values() -> None:
    first, second = queued_job(), queued_job()

    for job, label in ((first, "a"), (second, "b")):
        statements.update(Job, {"id": job.id}, {"label": label})

    assert [Job.objects.get(pk=job.id).label for job in (first, second)] == ["a", "b"]


def test_a_percent_sign_in_a_value_is_a_percent_sign() -> None:
    job = queued_job()

    statements.update(Job, {"id": job.id}, {"label": "100 %s"})

    assert Job.objects.get(pk=job.id).label == "100 %s"


def test_an_insert_writes_what_save_would() -> None:
    job = unsaved_job(tags=["nightly"], attribs={"n": 1}, available_at=NOON, state="scheduled")

    statements.insert("default", Job, statements.columns_of(job))

    row = Job.objects.get(pk=job.id)
    fields = [field.attname for field in Job._meta.concrete_fields]
    assert [getattr(row, name) for name in fields] == [getattr(job, name) for name in fields]


def test_only_columns_that_hold_something_are_inserted() -> None:
    columns = statements.columns_of(unsaved_job())

    assert "result" not in columns
    assert columns["attempt"] == 0


def test_an_insert_lets_the_database_number_the_row() -> None:
    job = finished_job()
    columns = {"job_id": job.id, "number": 1, "started_at": EARLIER, "finished_at": NOON}
    texts = dict.fromkeys(
        ("error_class", "error_message", "traceback", "hostname", "resumed_from", "code_version"),
        "",
    )

    statements.insert(
        "default",
        Attempt,
        {**columns, **texts, "outcome": "failed", "trigger": "automatic", "lines_dropped": 0},
    )

    assert Attempt.objects.get().job_id == job.id


def test_an_error_marks_the_callers_transaction_as_broken() -> None:
    job = queued_job()

    with pytest.raises(DatabaseError), transaction.atomic():
        statements.insert("default", Job, statements.columns_of(unsaved_job(id=job.id)))

    assert not connection.needs_rollback
    assert Job.objects.count() == 1


def test_an_error_inside_an_open_transaction_does_not_pass_unnoticed() -> None:
    job = queued_job()

    with transaction.atomic():
        with pytest.raises(DatabaseError):
            statements.insert("default", Job, statements.columns_of(unsaved_job(id=job.id)))
        broken = connection.needs_rollback

    assert broken


def test_changes_and_conditions_can_be_given_to_the_orm() -> None:
    job = running_job(failures=2)

    Job.objects.filter(**as_lookups({"pk": job.id, "priority": None})).update(
        **as_expressions({"failures": Plus(1), "label": "touched"})
    )

    job.refresh_from_db()
    assert (job.failures, job.label) == (3, "touched")


@pytest.mark.parametrize("attempt", [1, 2])
def test_an_insert_may_depend_on_a_row_of_another_table(attempt: int) -> None:
    job, copy = running_job(), unsaved_job(tags=["nightly"])
    held = {"id": job.id, "attempt": attempt}

    columns = statements.columns_of(copy)
    written = statements.insert_while("default", Job, columns, Job, held)

    assert written == (attempt == 1)
    assert Job.objects.filter(pk=copy.id, tags=["nightly"]).exists() == written
