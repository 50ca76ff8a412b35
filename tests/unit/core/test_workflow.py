from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from celery_jobman.core.workflow import Workflow, refuse_unready
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import batch, finished_job

if TYPE_CHECKING:
    from celery_jobman.models import Batch
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def inside(outer: Batch, state: State = State.FAILED, **fields: object) -> Batch:
    return batch(state, batch_id=outer.id, root_id=outer.root_id, **fields)


def test_a_workflow_knows_what_is_in_its_batches() -> None:
    root = batch()
    inner = inside(root)
    innermost = inside(inner)
    batch()

    workflow = Workflow.around(innermost.id)

    assert set(workflow.batches) == {root.id, inner.id, innermost.id}
    assert workflow.inside(inner.id) == {inner.id, innermost.id}
    assert [workflow.depth(each) for each in (root, inner, innermost)] == [0, 1, 2]


def test_what_a_failure_stopped_runs_again_with_it_on_every_level() -> None:
    root = batch(State.FAILED, failed=1, skipped=1)
    inner = inside(root, failed=1, skipped=1)
    job = finished_job(batch_id=inner.id)
    after_job = finished_job(State.SKIPPED, batch_id=inner.id, follows_id=job.id, stopped_by=job.id)
    after_batch = finished_job(
        State.SKIPPED, batch_id=root.id, follows_id=inner.id, stopped_by=inner.id
    )
    stranger = finished_job(State.SKIPPED, batch_id=root.id, stopped_by=uuid7())
    workflow = Workflow.around(inner.id)

    workflow.add([job])

    assert set(workflow.jobs) == {job.id, after_job.id, after_batch.id}
    assert stranger.id not in workflow.jobs
    assert set(workflow.opened) == {inner.id, root.id}
    assert not workflow.waits(job)
    assert workflow.waits(after_job)
    assert workflow.waits(after_batch)


def test_nothing_runs_before_what_it_follows_has_ended_well() -> None:
    root = batch(State.FAILED, failed=1, skipped=1)
    inner = inside(root, failed=1)
    job = finished_job(State.SKIPPED, batch_id=root.id, follows_id=inner.id)
    workflow = Workflow.around(root.id)
    workflow.add([job])

    with pytest.raises(TransitionRefused, match=f"it follows {inner.id}, which is failed"):
        refuse_unready(workflow)


def test_the_first_jobs_of_a_batch_follow_what_the_batch_follows() -> None:
    root = batch(State.FAILED, failed=1, skipped=1)
    before = finished_job(batch_id=root.id)
    outer = inside(root, State.SKIPPED, skipped=1, follows_id=before.id)
    inner = inside(outer, State.SKIPPED, skipped=1)
    job = finished_job(State.SKIPPED, batch_id=inner.id)
    workflow = Workflow.around(root.id)
    workflow.add([job])

    with pytest.raises(TransitionRefused, match=f"it follows {before.id}, which is failed"):
        refuse_unready(workflow)

    workflow.add([before])
    refuse_unready(workflow)


def test_what_comes_before_many_links_is_looked_at_once(budget: Budget) -> None:
    root = batch(State.FAILED, failed=9)
    before = [finished_job(State.SUCCEEDED, batch_id=root.id) for _ in range(9)]
    links = [finished_job(batch_id=root.id, follows_id=job.id) for job in before]
    pruned = finished_job(batch_id=root.id, follows_id=uuid7())
    workflow = Workflow.around(root.id)
    workflow.add([*links, pruned])

    with budget(1):
        workflow.look_before(workflow.jobs.values())
        assert not any(workflow.waits(job) for job in (*links, pruned))


def looks_at_stopped(number: int) -> int:
    """Return how many statements it takes to find what one failure stopped: a long chain."""
    root = batch(State.FAILED, failed=1, skipped=number)
    failed = before = finished_job(batch_id=root.id)
    for _ in range(number):
        place = {"batch_id": root.id, "follows_id": before.id}
        before = finished_job(State.SKIPPED, **place, stopped_by=failed.id)
    workflow = Workflow.around(root.id)

    with CaptureQueriesContext(connection) as statements:
        workflow.add([failed])

    assert len(workflow.jobs) == number + 1
    return len(statements)


def test_what_was_stopped_is_found_by_few_looks_however_much_it_is() -> None:
    assert looks_at_stopped(30) == looks_at_stopped(2)
