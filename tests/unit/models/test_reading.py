from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import DataError, transaction
from django.db.models.expressions import RawSQL

from celery_jobman.models import Job
from celery_jobman.models.reading import UNREADABLE
from tests import databases
from tests.factories import checkpoint, queued_job, spoil

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs() -> list[Job]:
    """Return three jobs, of which the one in the middle cannot be read."""
    made = [queued_job() for _ in range(3)]
    spoil(made[1])
    return made


def test_a_row_that_cannot_be_read_takes_no_others_down(
    jobs: list[Job], caplog: pytest.LogCaptureFixture
) -> None:
    found = list(Job.objects.order_by("pk"))

    assert found == [jobs[0], jobs[2]]
    assert f"Row cannot be read table=Job id={jobs[1].pk}" in caplog.text


def test_it_is_left_out_of_a_page_and_by_every_way_to_read_many(jobs: list[Job]) -> None:
    first, bad, last = jobs

    assert list(Job.objects.order_by("-pk")[:2]) == [last]
    assert list(Job.objects.defer("args").filter(pk__in=[first.pk, bad.pk])) == [first]
    assert Job.objects.in_bulk([each.pk for each in jobs]).keys() == {first.pk, last.pk}
    with transaction.atomic():
        assert list(Job.objects.select_for_update().order_by("pk")) == [first, last]


def test_related_rows_are_still_read_before(jobs: list[Job]) -> None:
    checkpoint(jobs[0], "load")

    found = Job.objects.order_by("pk").prefetch_related("steps")

    assert [[step.name for step in job.steps.all()] for job in found] == [["load"], []]


def test_of_one_row_the_error_is_raised(jobs: list[Job]) -> None:
    with pytest.raises(UNREADABLE):
        Job.objects.get(pk=jobs[1].pk)
    with pytest.raises(UNREADABLE):
        list(Job.objects.filter(pk=jobs[1].pk))


def test_columns_that_were_asked_for_are_not_left_out(jobs: list[Job]) -> None:
    with pytest.raises(UNREADABLE):
        list(Job.objects.values_list("expires_at"))
    assert Job.objects.count() == len(jobs)


@pytest.mark.skipif(databases.chosen() != "postgresql", reason="needs PostgreSQL")
def test_what_the_server_refuses_is_an_error() -> None:
    queued_job()
    queued_job()
    impossible = RawSQL("SELECT 1 / (delivery - 1)", ())

    with pytest.raises(DataError, match="division by zero"), transaction.atomic():
        list(Job.objects.annotate(number=impossible))


def test_the_last_moment_of_the_calendar_can_be_read() -> None:
    moment = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    assert queued_job(expires_at=moment).expires_at == moment
