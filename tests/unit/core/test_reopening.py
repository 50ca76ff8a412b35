from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from celery_jobman.core import retries
from celery_jobman.core.reopening import write
from celery_jobman.core.workflow import Workflow, refuse_unready
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.models import Batch, Job
from celery_jobman.models.database import atomic
from celery_jobman.states import State
from tests.factories import LATER, batch, finished_job, running_job

if TYPE_CHECKING:
    from collections.abc import Callable

    Count = Callable[[], CaptureQueriesContext]

pytestmark = pytest.mark.django_db


def inside(outer: Batch, state: State = State.FAILED, **fields: object) -> Batch:
    return batch(state, batch_id=outer.id, root_id=outer.root_id, **fields)


def test_first_links_wait_for_what_their_batch_waits_for() -> None:
    root = batch(State.FAILED, failed=1, skipped=1)
    job = finished_job(batch_id=root.id)
    inner = inside(root, State.SKIPPED, skipped=1, follows_id=job.id, stopped_by=job.id)
    first = finished_job(State.SKIPPED, batch_id=inner.id, stopped_by=job.id)
    workflow = Workflow.around(root.id)

    workflow.add([job])
    with atomic():
        write(workflow, now=LATER, fresh=retries.fresh)

    first.refresh_from_db()
    inner.refresh_from_db()
    root.refresh_from_db()
    assert (first.state, inner.state, root.state) == ("blocked", "blocked", "running")
    assert (inner.pending, inner.stopping, inner.stopped_by) == (1, "", None)
    assert (root.pending, root.failed, root.skipped) == (2, 0, 0)


def test_a_batch_that_has_changed_since_it_was_read_is_refused() -> None:
    root = batch(State.FAILED, failed=1)
    job = finished_job(batch_id=root.id)
    workflow = Workflow.around(root.id)
    workflow.add([job])
    Batch.objects.update(finishes=7)

    with pytest.raises(TransitionRefused, match="it has moved on"), atomic():
        write(workflow, now=LATER, fresh=retries.fresh)

    assert Job.objects.get().state == "failed"


def broken_beside(before: Job, **fields: object) -> tuple[Job, Job]:
    """Return a job that failed, and the one behind ``before`` that was cancelled for it."""
    job = finished_job(batch_id=before.batch_id)
    behind = {"batch_id": before.batch_id, "follows_id": before.id, "stopped_by": job.id}
    after = finished_job(State.CANCELLED, **{**behind, **fields})
    Job.objects.filter(pk=before.pk).update(next_id=after.id)
    return job, after


def test_what_was_stopped_waits_for_a_link_before_that_still_runs() -> None:
    root = batch(total=3, failed=1, cancelled=1, stopping="failed")
    before = running_job(batch_id=root.id)
    job, after = broken_beside(before)
    workflow = Workflow.around(root.id)

    workflow.add([job])
    refuse_unready(workflow)
    with atomic():
        write(workflow, now=LATER, fresh=retries.fresh)

    after.refresh_from_db()
    job.refresh_from_db()
    assert (job.state, after.state) == ("scheduled", "blocked")


def test_a_retry_is_refused_when_the_link_before_has_ended_since_it_was_read() -> None:
    root = batch(total=3, failed=1, cancelled=1, stopping="failed")
    before = running_job(batch_id=root.id)
    job, _ = broken_beside(before)
    workflow = Workflow.around(root.id)
    workflow.add([job])
    refuse_unready(workflow)
    Job.objects.filter(pk=before.pk).update(state="succeeded", finished_at=LATER)

    with pytest.raises(TransitionRefused, match="it has moved on"), atomic():
        write(workflow, now=LATER, fresh=retries.fresh)


def test_what_was_stopped_is_given_what_the_link_before_returned_since() -> None:
    root = batch(State.FAILED, succeeded=1, failed=1, cancelled=1)
    before = finished_job(State.SUCCEEDED, batch_id=root.id, result='"b"')
    job, after = broken_beside(before, takes_result=True, args="[1]")
    workflow = Workflow.around(root.id)

    workflow.add([job])
    with atomic():
        write(workflow, now=LATER, fresh=retries.fresh)

    after.refresh_from_db()
    assert (after.state, after.arguments[0], after.own_args) == ("scheduled", ["b", 1], "[1]")


def test_a_job_that_is_retried_before_its_turn_waits_for_it() -> None:
    root = batch(total=2, cancelled=1)
    before = running_job(batch_id=root.id)
    after = finished_job(State.CANCELLED, batch_id=root.id, follows_id=before.id)
    Job.objects.filter(pk=before.pk).update(next_id=after.id)

    retries.retry(after.id, now=LATER)

    after.refresh_from_db()
    assert (after.state, after.available_at) == ("blocked", LATER)


def retried_statements(state: State, number: int, count: Count) -> int:
    """Return how many statements it takes to retry members that ended alike."""
    root = batch(State.FAILED, **{state: number})
    jobs = [finished_job(state, batch_id=root.id, task_id=str(uuid4())) for _ in range(number)]
    workflow = Workflow.around(root.id)
    workflow.add(jobs)

    with atomic(), count() as statements:
        write(workflow, now=LATER, fresh=retries.fresh)

    again = Job.objects.filter(batch_id=root.id)
    assert {job.state for job in again} == {State.SCHEDULED}
    renamed = {job.task_id for job in again} - {job.task_id for job in jobs}
    # Celery refuses to run an id again that it has revoked.
    assert len(renamed) == (number if state == State.CANCELLED else 0)
    return len(statements)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_many_members_take_no_more_statements_than_one(state: State) -> None:
    one, many = (
        retried_statements(state, number, lambda: CaptureQueriesContext(connection))
        for number in (1, 40)
    )

    assert one == many


def test_members_that_have_begun_since_are_refused_together() -> None:
    root = batch(State.FAILED, failed=3)
    jobs = [finished_job(batch_id=root.id) for _ in range(3)]
    workflow = Workflow.around(root.id)
    workflow.add(jobs)
    Job.objects.filter(pk=jobs[1].id).update(attempt=2)

    with pytest.raises(TransitionRefused, match="it has moved on") as refused, atomic():
        write(workflow, now=LATER, fresh=retries.fresh)

    assert str(jobs[1].id) in str(refused.value)
    assert set(Job.objects.values_list("state", flat=True)) == {"failed"}
