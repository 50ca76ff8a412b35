from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest

from celery_jobman.core import attempts, retries
from celery_jobman.core.retries import retry
from celery_jobman.core.terms import Terms
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Job, JobAction
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
    next_run_of,
    running_job,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", sorted(FINAL - {State.SUCCEEDED}))
def test_a_job_that_did_not_succeed_is_put_back(state: State) -> None:
    job = job_in(state)

    retry(job.id, now=LATER)

    job.refresh_from_db()
    assert (job.state, job.available_at, job.finished_at) == (State.SCHEDULED, LATER, None)
    assert job.trigger == "operator"


def test_a_retry_begins_with_fresh_counts_and_no_trace_of_a_cancel() -> None:
    old = {
        "failures": 5, "crashes": 2, "retries": 4, "cancel_requested_at": EARLIER,
        "cancel_forced": True, "completed_code": "nothing new", "dispatch_error": "refused",
        "expires_at": EARLIER,
    }  # fmt: skip
    job = finished_job(State.CANCELLED, **old)

    retry(job.id, now=LATER)

    job.refresh_from_db()
    assert {name: getattr(job, name) for name in old} == {
        "failures": 0, "crashes": 0, "retries": 0, "cancel_requested_at": None,
        "cancel_forced": False, "completed_code": "", "dispatch_error": "",
        "expires_at": None,
    }  # fmt: skip


def test_history_is_kept() -> None:
    job = finished_job()
    attempt(job)
    checkpoint(job, "load")
    log_line(job)

    retry(job.id, now=LATER)

    job.refresh_from_db()
    assert (job.attempts.count(), job.steps.filter(superseded=0).count()) == (1, 1)
    assert job.attempt == 1


def test_messages_of_older_deliveries_go_stale() -> None:
    job = finished_job(delivery=3)

    retry(job.id, now=LATER)

    job.refresh_from_db()
    assert not attempts.claim(next_run_of(job), delivery=3)


@pytest.mark.parametrize(
    ("state", "renewed"),
    [(State.FAILED, False), (State.SKIPPED, False), (State.CANCELLED, True)],
)
def test_a_task_id_that_celery_would_refuse_is_renewed(state: State, renewed: bool) -> None:  # noqa: FBT001
    job = job_in(state)
    before = job.task_id

    retry(job.id, now=LATER)

    job.refresh_from_db()
    assert (job.task_id != before) is renewed


def test_a_success_is_run_again_only_when_that_is_confirmed() -> None:
    job = finished_job(State.SUCCEEDED)
    before = job.task_id

    with pytest.raises(TransitionRefused, match="confirm that it shall run again"):
        retry(job.id, now=LATER)
    retry(job.id, now=LATER, confirm_succeeded=True)

    job.refresh_from_db()
    assert job.state == State.SCHEDULED
    assert job.task_id != before


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_job_that_has_not_ended_is_left_alone(state: State, confirmed: bool) -> None:  # noqa: FBT001
    job = job_in(state)

    with pytest.raises(
        TransitionRefused, match=f"is {state} and cannot be retried; cancel it first, or wait"
    ):
        retry(job.id, now=LATER, confirm_succeeded=confirmed)

    job.refresh_from_db()
    assert (job.state, job.delivery) == (state, 1)
    assert not JobAction.objects.exists()


def test_a_job_that_is_gone_is_not_found() -> None:
    with pytest.raises(JobNotFound):
        retry(uuid4(), now=LATER)


def test_a_double_click_does_nothing() -> None:
    job = finished_job()

    retry(job.id, now=LATER, attempt=1)

    with pytest.raises(TransitionRefused, match="is scheduled and cannot be retried"):
        retry(job.id, now=LATER, attempt=1)
    assert JobAction.objects.count() == 1


def test_a_page_that_is_out_of_date_does_nothing() -> None:
    job = finished_job(attempt=2)

    with pytest.raises(TransitionRefused, match="attempt 2 has begun since"):
        retry(job.id, now=LATER, attempt=1)
    assert not JobAction.objects.exists()


def in_between(monkeypatch: pytest.MonkeyPatch, job: Job, **changes: Any) -> None:
    """Let a job change between the reading of its row and the write."""
    fresh = retries.fresh

    def be_late(*args: Any) -> dict[str, Any]:
        Job.objects.filter(pk=job.id).update(**changes)
        return fresh(*args)

    monkeypatch.setattr(retries, "fresh", Mock(side_effect=be_late))


def test_of_two_people_only_one_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    job = finished_job()
    in_between(monkeypatch, job, state=State.SCHEDULED, finished_at=None, available_at=LATER)

    with pytest.raises(TransitionRefused, match="is scheduled and cannot be retried"):
        retry(job.id, now=LATER)


def test_a_job_that_was_retried_and_succeeded_meanwhile_needs_a_confirmation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = finished_job()
    in_between(monkeypatch, job, state=State.SUCCEEDED, attempt=2)

    with pytest.raises(TransitionRefused):
        retry(job.id, now=LATER)


def test_a_job_that_succeeded_meanwhile_does_not_run_again_under_its_old_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = finished_job()
    in_between(monkeypatch, job, state=State.SUCCEEDED, attempt=2)

    with pytest.raises(TransitionRefused):
        retry(job.id, now=LATER, confirm_succeeded=True)


def test_who_retried_it_and_why_is_audited() -> None:
    job = finished_job()

    retry(job.id, now=LATER, actor="ana", reason="network is back")

    action = JobAction.objects.get(job_id=job.id)
    assert (action.verb, action.actor, action.reason, action.at) == (
        "retry", "ana", "network is back", LATER,
    )  # fmt: skip


def test_a_retry_is_four_statements(budget: Budget) -> None:
    job = finished_job()

    with budget(4):
        retry(job.id, now=LATER, actor="ana")


def test_a_retry_can_wait_elsewhere_and_go_first() -> None:
    job = finished_job(priority=3)

    retry(job.id, now=NOON, terms=Terms(when=LATER, queue="slow", priority=9))

    job.refresh_from_db()
    assert (job.available_at, job.queue, job.priority) == (LATER, "slow", 9)
    assert JobAction.objects.get().changes == {
        "available_at": [None, LATER.isoformat()], "queue": ["celery", "slow"], "priority": [3, 9],
    }  # fmt: skip


def test_the_terms_of_a_retry_that_is_refused_change_nothing() -> None:
    job = running_job(priority=3)

    with pytest.raises(TransitionRefused):
        retry(job.id, now=NOON, terms=Terms(when=LATER, queue="slow", priority=9))

    job.refresh_from_db()
    assert (job.available_at, job.queue, job.priority) == (None, "celery", 3)


def test_a_job_that_runs_again_stands_for_itself() -> None:
    job = finished_job(replaced_by=uuid4())

    retry(job.id, now=LATER)

    job.refresh_from_db()
    assert job.replaced_by is None
