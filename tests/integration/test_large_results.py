"""A result that is too large for the database costs its job the result, and others nothing."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from celery_jobman import chain
from celery_jobman.models import Job, Trouble
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests import databases
from tests.celery_app import app
from tests.workflows import deed, did

if TYPE_CHECKING:
    from pytest_django import Settings as Project

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(databases.chosen() != "mariadb", reason="the others take it"),
]


@app.task(name="large.result")
def large(*_: object) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        ((most,),) = cursor.fetchall()
    return "x" * int(most)


def test_a_job_whose_result_is_larger_than_a_packet_succeeds_without_it() -> None:
    result = large.delay()

    run_jobs()

    job = Job.objects.get(task_id=result.id)
    assert (job.state, job.result, job.attempts.count()) == (State.SUCCEEDED, None, 1)
    assert "without its result" in Trouble.objects.get(row_id=job.id).error


def test_a_link_whose_result_is_larger_than_a_packet_fails_and_the_chain_ends(
    settings: Project,
) -> None:
    settings.JOBMAN = {"RESULT_LIMIT": 10**9}
    flow = chain(large.s(), deed.s("a")).dispatch()

    run_jobs()

    assert (flow.row.state, did()) == (State.FAILED, [])
    ends = Job.objects.filter(batch_id=flow.id).order_by("id").values_list("state", flat=True)
    assert list(ends) == [State.FAILED, State.SKIPPED]
