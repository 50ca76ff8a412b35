from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management.base import CommandError

from celery_jobman.exceptions import BatchNotFound, JobNotFound
from celery_jobman.management import selection
from celery_jobman.models import Job
from celery_jobman.states import State
from tests.factories import batch, finished_job, queued_job

pytestmark = pytest.mark.django_db

FIRST = UUID("01a205ff-0000-7000-8000-000000000001")
SECOND = UUID("01a205ff-ffff-7000-8000-000000000002")


def _filters(task: str | None = None, queue: str | None = None) -> dict[str, Any]:
    return {"task": task, "queue": queue}


@pytest.mark.parametrize(
    "reference",
    [str(FIRST), FIRST.hex, str(FIRST).upper(), "celery-id", "01a205ff-0000", "01A205FF00"],
)
def test_a_job_is_found_by_all_its_names(reference: str) -> None:
    job = queued_job(id=FIRST, task_id="celery-id")
    queued_job(id=SECOND)

    assert selection.job(reference) == job


def test_the_beginning_of_several_ids_lists_them() -> None:
    queued_job(id=FIRST)
    queued_job(id=SECOND)

    with pytest.raises(CommandError, match=f"give more digits:\n  {FIRST}\n  {SECOND}"):
        selection.job("01a205ff")


@pytest.mark.parametrize("reference", ["01a205f", "01a205ff-1", "nonsense", "", "f" * 32, "f" * 40])
def test_what_is_no_job_is_refused(reference: str) -> None:
    queued_job(id=FIRST)

    with pytest.raises(JobNotFound):
        selection.job(reference)


def test_a_job_named_twice_is_one() -> None:
    job = queued_job(id=FIRST)

    assert selection.jobs([str(FIRST), "01a205ff"]) == [job]


@pytest.mark.parametrize("reference", [str(FIRST), FIRST.hex, "01a205ff-0000", "01A205FF00"])
def test_a_batch_is_found_by_its_id_or_the_beginning_of_it(reference: str) -> None:
    row = batch(id=FIRST)
    batch(id=SECOND)

    assert selection.batch(reference) == row


def test_the_beginning_of_several_batches_lists_them() -> None:
    batch(id=FIRST)
    batch(id=SECOND)

    with pytest.raises(CommandError, match=f"several batches begin with .*:\n  {FIRST}"):
        selection.batch("01a205ff")


@pytest.mark.parametrize("reference", ["01a205f", "nonsense", "", "f" * 32])
def test_what_is_no_batch_is_refused(reference: str) -> None:
    batch(id=FIRST)

    with pytest.raises(BatchNotFound):
        selection.batch(reference)
    with pytest.raises(JobNotFound):
        selection.member(reference)


def test_a_member_is_a_job_or_a_batch() -> None:
    around = batch(total=1)
    job = queued_job(id=FIRST, batch_id=around.id)
    inner = batch(id=SECOND, batch_id=around.id, root_id=around.id)

    assert selection.member("01a205ff00") == (job.id, around.id)
    assert selection.member("01a205ffff") == (inner.id, around.id)
    assert selection.member(str(around.id)) == (around.id, None)


def test_a_user_is_found_by_name() -> None:
    ada = User.objects.create(username="ada")

    assert selection.user("ada") == ada
    with pytest.raises(CommandError, match="there is no user 'ad'"):
        selection.user("ad")


def test_the_jobs_of_a_batch_are_those_inside_it_too() -> None:
    outer = batch(total=1)
    inner = batch(total=1, batch_id=outer.id, root_id=outer.id)
    core = batch(total=1, batch_id=inner.id, root_id=outer.id)
    jobs = [queued_job(batch_id=each.id) for each in (outer, inner, core)]
    queued_job()

    assert set(selection.jobs_in(outer)) == set(jobs)
    assert set(selection.jobs_in(inner)) == set(jobs[1:])


def test_tasks_are_found_by_their_full_name_or_its_last_part() -> None:
    branches = queued_job(task="shop.tasks.import_branches")
    queued_job(task="shop.tasks.reimport_branches")
    bare = queued_job(task="import_branches")

    assert set(selection.filtered(_filters("import_branches"))) == {branches, bare}
    assert set(selection.filtered(_filters("shop.tasks.import_branches"))) == {branches}
    assert set(selection.filtered(_filters("tasks.import_branches"))) == set()


def test_failed_jobs_are_chosen_by_task_and_queue() -> None:
    job = finished_job(State.FAILED, queue="slow")
    finished_job(State.FAILED)
    finished_job(State.CANCELLED, queue="slow")

    assert list(selection.failed(_filters(queue="slow"))) == [job]


def test_a_filter_that_fits_no_job_at_all_is_a_mistake() -> None:
    finished_job(State.SUCCEEDED, task="demo.add")

    assert list(selection.failed(_filters("demo.add"))) == []
    with pytest.raises(CommandError, match=r"no job has the task 'demo\.ad' and the queue 'slow'"):
        selection.failed(_filters("demo.ad", "slow"))


def test_a_walk_meets_every_job_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "SLICE", 2)
    ids = [queued_job().id for _ in range(5)]

    assert [job.id for job in selection.walk(Job.objects.all())] == sorted(ids)
