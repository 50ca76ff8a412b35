from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.db import connection

from celery_jobman.core import actions, pruning
from celery_jobman.core.pruning import (
    abandoned,
    forget,
    prunable,
    prunable_batches,
    prune,
    prune_batches,
    trim,
)
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Attempt, Batch, Job, JobAction, LogLine, Role, Step
from celery_jobman.models.ids import uuid7
from celery_jobman.states import FINAL, State
from tests import databases
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    attempt,
    batch,
    begun_batch,
    blocked_job,
    checkpoint,
    finished_job,
    job_in,
    log_line,
    queued_job,
    scheduled_job,
    unsaved_job,
)
from tests.plans import plans

if TYPE_CHECKING:
    from tests.plans import Plan
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

CUTOFF = NOON + timedelta(seconds=1)


def old_job(state: State = State.FAILED) -> Job:
    job = finished_job(state)
    attempt(job)
    checkpoint(job, "load")
    log_line(job)
    return job


def rows() -> tuple[int, int, int, int]:
    """Return how many jobs, attempts, steps and lines there are."""
    jobs, attempts = Job.objects.count(), Attempt.objects.count()
    return jobs, attempts, Step.objects.count(), LogLine.objects.count()


def test_only_jobs_that_ended_before_the_cutoff_can_be_pruned() -> None:
    old = finished_job()
    finished_job(finished_at=CUTOFF)

    assert list(prunable(CUTOFF)) == [old]


@pytest.mark.parametrize("state", State)
def test_only_finished_jobs_can_be_pruned(state: State) -> None:
    job_in(state)

    assert prunable(CUTOFF, frozenset(State)).exists() is (state in FINAL)


def test_some_final_states_can_be_spared() -> None:
    finished_job(State.SUCCEEDED)
    failed = finished_job(State.FAILED)

    assert list(prunable(CUTOFF, frozenset({State.FAILED}))) == [failed]


@pytest.mark.parametrize("state", State)
def test_an_abandoned_job_waits_and_is_old(state: State) -> None:
    job_in(state, created_at=EARLIER)
    job_in(state, created_at=LATER)

    waits = state in {State.SCHEDULED, State.BLOCKED, State.QUEUED}
    assert abandoned(NOON, NOON).count() == (1 if waits else 0)


def test_a_job_that_was_put_off_is_not_abandoned() -> None:
    scheduled_job(available_at=LATER)

    assert not abandoned(NOON, NOON).exists()
    assert abandoned(NOON, LATER).exists()


def test_a_job_is_pruned_with_all_its_rows_and_no_other_is() -> None:
    old_job()
    kept = finished_job(finished_at=LATER)
    attempt(kept)
    checkpoint(kept, "load")
    log_line(kept)

    assert prune(prunable(CUTOFF), now=LATER) == 1
    assert rows() == (1, 1, 1, 1)


def test_pruning_goes_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "SLICE", 2)
    for _ in range(5):
        old_job()

    assert prune(prunable(CUTOFF), now=LATER) == 5
    assert rows() == (0, 0, 0, 0)


def test_a_slice_is_seven_statements(budget: Budget) -> None:
    for _ in range(20):
        old_job()

    with budget(9):
        prune(prunable(CUTOFF), now=LATER, actor="ana")


def test_a_batch_whose_workflow_was_deleted_goes_by_itself() -> None:
    orphan = begun_batch(State.SUCCEEDED, root_id=uuid7(), batch_id=uuid7(), finished_at=EARLIER)
    young = begun_batch(State.SUCCEEDED, root_id=uuid7(), batch_id=uuid7(), finished_at=LATER)

    assert prune_batches(NOON) == 1
    assert set(Batch.objects.values_list("pk", flat=True)) == {young.pk} != {orphan.pk}


def test_a_job_that_is_retried_meanwhile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    job = old_job()
    delete = pruning._delete

    def retry_first(*chosen: object) -> int:
        retried = {"state": State.SCHEDULED, "finished_at": None, "available_at": NOON}
        Job.objects.filter(pk=job.pk).update(**retried)
        return delete(*chosen)  # type: ignore[arg-type]

    monkeypatch.setattr(pruning, "_delete", retry_first)

    assert prune(prunable(CUTOFF), now=LATER) == 0
    assert rows() == (1, 1, 1, 1)


def test_what_was_pruned_is_audited_once() -> None:
    old_job()
    old_job()

    prune(prunable(CUTOFF), now=LATER, actor="ana", reason="disk")

    action = JobAction.objects.get()
    assert (action.verb, action.job_id, action.actor, action.reason) == (
        "prune", None, "ana", "disk",
    )  # fmt: skip
    assert action.changes == {"count": 2}


def test_the_audit_can_call_it_by_another_name() -> None:
    old_job()

    prune(prunable(CUTOFF), now=LATER, verb="flush")

    assert JobAction.objects.get().verb == "flush"


def test_nothing_to_prune_is_not_audited() -> None:
    assert prune(prunable(CUTOFF), now=LATER) == 0
    assert not JobAction.objects.exists()


def test_audit_rows_stay() -> None:
    job = old_job()
    actions.record("retry", job.id, actor="ana", reason="", now=EARLIER)

    prune(prunable(CUTOFF), now=LATER)

    assert JobAction.objects.filter(job_id=job.id).exists()


def test_trimming_keeps_the_job_and_its_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "SLICE", 2)
    for _ in range(3):
        old_job()

    assert trim(prunable(CUTOFF), now=NOON) == 3
    assert rows() == (3, 3, 0, 0)
    assert JobAction.objects.get().changes == {"count": 3, "logs_only": False}


def test_trimming_can_spare_the_steps() -> None:
    old_job()

    trim(prunable(CUTOFF), now=LATER, logs_only=True)

    assert rows() == (1, 1, 1, 0)


def test_nothing_to_trim_is_not_audited() -> None:
    assert trim(prunable(CUTOFF), now=LATER) == 0
    assert not JobAction.objects.exists()


def test_a_job_that_is_retried_meanwhile_keeps_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    job = old_job()
    slices = pruning._slices

    def retry_first(jobs: Any) -> Any:
        for ids in slices(jobs):
            retried = {"state": State.SCHEDULED, "finished_at": None, "available_at": NOON}
            Job.objects.filter(pk=job.pk).update(**retried)
            yield ids

    monkeypatch.setattr(pruning, "_slices", retry_first)

    trim(prunable(CUTOFF), now=LATER)

    assert rows() == (1, 1, 1, 1)


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_finished_job_can_be_forgotten(state: State) -> None:
    job = old_job(state)

    forget(job.id, now=LATER, actor="ana", reason="asked to")

    assert rows() == (0, 0, 0, 0)
    action = JobAction.objects.get(job_id=job.id)
    assert (action.verb, action.actor, action.reason) == ("forget", "ana", "asked to")


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_a_job_that_has_not_ended_cannot_be_forgotten(state: State) -> None:
    job = job_in(state)

    with pytest.raises(
        TransitionRefused, match=f"is {state} and cannot be forgotten; cancel it first"
    ):
        forget(job.id, now=LATER)
    assert Job.objects.filter(pk=job.id).exists()
    assert not JobAction.objects.exists()


def test_a_job_that_is_gone_cannot_be_forgotten() -> None:
    with pytest.raises(JobNotFound):
        forget(uuid4(), now=LATER)


def test_nothing_is_forgotten_without_an_audit_row(monkeypatch: pytest.MonkeyPatch) -> None:
    job = old_job()
    monkeypatch.setattr(actions, "record", Mock(side_effect=ValueError("disk full")))

    with pytest.raises(ValueError, match="disk full"):
        forget(job.id, now=LATER)

    assert rows() == (1, 1, 1, 1)


def test_any_question_about_jobs_can_be_pruned() -> None:
    queued_job(queue="slow")
    queued_job(queue="fast")

    assert prune(Job.objects.filter(queue="slow"), now=LATER) == 1
    assert Job.objects.get().queue == "fast"


class TestWorkflows:
    """Members of workflows go with the whole of it."""

    def test_members_of_a_live_workflow_stay(self) -> None:
        live, over = batch(total=2, succeeded=1), batch(State.SUCCEEDED, succeeded=1)
        finished_job(batch_id=live.id)
        gone = finished_job(batch_id=over.id)

        assert list(prunable(CUTOFF)) == [gone]

    def test_so_do_those_of_a_finished_batch_inside_a_live_one(self) -> None:
        live = batch(total=2, succeeded=1)
        inner = batch(State.SUCCEEDED, succeeded=1, batch_id=live.id, root_id=live.id)
        finished_job(batch_id=inner.id)

        assert list(prunable(CUTOFF)) == []

    def test_and_those_of_a_workflow_that_finished_of_late(self) -> None:
        row = batch(State.SUCCEEDED, succeeded=1)
        finished_job(batch_id=row.id)
        Batch.objects.filter(pk=row.id).update(finished_at=CUTOFF)

        assert list(prunable(CUTOFF)) == []

    def test_cancelled_members_of_a_failed_workflow_stay_for_its_retry(self) -> None:
        failed = batch(State.FAILED, failed=1, cancelled=1)
        finished_job(State.CANCELLED, batch_id=failed.id)
        whole = batch(State.CANCELLED, cancelled=1)
        gone = finished_job(State.CANCELLED, batch_id=whole.id)

        assert list(prunable(CUTOFF, frozenset({State.CANCELLED}))) == [gone]

    def test_a_member_that_waits_is_not_abandoned_but_a_callback_may_be(self) -> None:
        live, over = batch(total=1), batch(State.FAILED, failed=1)
        blocked_job(batch_id=live.id)
        callback = queued_job(batch_id=over.id, role=Role.FINALLY)

        assert list(abandoned(CUTOFF, now=NOON)) == [callback]

    def test_nothing_deletes_a_member_of_a_live_workflow(self) -> None:
        live = batch(total=2, failed=1)
        job = finished_job(batch_id=live.id)

        assert prune(Job.objects.all(), now=NOON) == 0
        with pytest.raises(TransitionRefused, match="cancel that first, or wait for its workflow"):
            forget(job.id, now=NOON)
        assert Job.objects.get() == job

    def test_a_member_of_a_finished_workflow_can_be_forgotten(self) -> None:
        job = finished_job(batch_id=batch(State.FAILED, failed=1).id)

        forget(job.id, now=NOON)

        assert not Job.objects.exists()

    def test_rows_of_workflows_go_when_their_jobs_have_gone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pruning, "SLICE", 2)
        for _ in range(3):
            over = batch(State.SUCCEEDED, succeeded=1)
            batch(State.SUCCEEDED, succeeded=1, batch_id=over.id, root_id=over.id)
        stays = batch(State.SUCCEEDED, succeeded=1)
        inner = batch(State.SUCCEEDED, succeeded=1, batch_id=stays.id, root_id=stays.id)
        finished_job(batch_id=inner.id)
        live = batch(total=1)

        assert prune_batches(CUTOFF) == 6

        assert set(Batch.objects.all()) == {stays, inner, live}

    def test_what_would_go_is_known_before_the_jobs_have_gone(self) -> None:
        over = batch(State.SUCCEEDED, succeeded=1)
        inner = batch(State.SUCCEEDED, succeeded=1, batch_id=over.id, root_id=over.id)
        finished_job(State.SUCCEEDED, batch_id=inner.id)
        stays = batch(State.SUCCEEDED, succeeded=1)
        finished_job(batch_id=stays.id)
        finished_job(batch_id=stays.id, role=Role.FINALLY, finished_at=LATER)
        queued_job(batch_id=batch(State.FAILED, failed=1).id, role=Role.FINALLY)
        batch(total=1)

        assert set(prunable_batches(CUTOFF)) == {over, inner}
        prune(prunable(CUTOFF), now=NOON)
        assert prune_batches(CUTOFF) == 2

    @pytest.mark.skipif(databases.chosen() != "postgresql", reason="plans are PostgreSQL's")
    def test_indexes_find_the_workflow_of_a_job(self) -> None:
        live = [unsaved_batch(State.RUNNING) for _ in range(800)]
        over = [unsaved_batch(State.SUCCEEDED) for _ in range(2)]
        ended = {"state": State.SUCCEEDED, "started_at": EARLIER, "attempt": 1}
        Batch.objects.bulk_create([*live, *over])
        Job.objects.bulk_create(
            unsaved_job(**ended, batch_id=row.id, finished_at=row.finished_at or LATER)
            for row in [*live, *over]
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobman_job")
            cursor.execute("ANALYZE jobman_batch")
        with plans() as found:
            assert prunable(CUTOFF).count() == 2
            assert prunable_batches(CUTOFF).count() == 2
            assert prune_batches(CUTOFF) == 0

        assert len(found) == 4
        assert [str(plan) for plan in found if scans(plan)] == []


def unsaved_batch(state: State) -> Batch:
    row = Batch(state=state, created_at=EARLIER, total=1, pending=1)
    row.root_id = row.id
    if state == State.SUCCEEDED:
        row.finished_at, row.succeeded, row.pending = NOON, 1, 0
    return row


def scans(plan: Plan) -> bool:
    return any(node["Node Type"] == "Seq Scan" for node in plan.nodes)
