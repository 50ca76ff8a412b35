from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest

from celery_jobman.core import actions, pruning
from celery_jobman.core.pruning import abandoned, forget, prunable, prune, trim
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Attempt, Job, JobAction, LogLine, Step
from celery_jobman.states import FINAL, State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    attempt,
    checkpoint,
    finished_job,
    job_in,
    log_line,
    queued_job,
    scheduled_job,
)

if TYPE_CHECKING:
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


def test_a_slice_is_six_statements(budget: Budget) -> None:
    for _ in range(20):
        old_job()

    with budget(8):
        prune(prunable(CUTOFF), now=LATER, actor="ana")


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
