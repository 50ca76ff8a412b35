from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock
from uuid import uuid4

import pytest

from celery_jobman.core import attempts, transitions
from celery_jobman.core.rescheduling import reschedule
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import JobAction
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, job_in, next_run_of, queued_job, scheduled_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
def test_a_waiting_job_is_given_another_time(state: State) -> None:
    job = job_in(state)

    reschedule(job.id, LATER, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.available_at, job.delivery) == (State.SCHEDULED, LATER, 2)


def test_a_message_on_its_way_goes_stale() -> None:
    job = queued_job(delivery=1)

    reschedule(job.id, LATER, now=NOON)

    assert not attempts.claim(next_run_of(job), delivery=1)


@pytest.mark.parametrize("state", sorted(set(State) - {State.SCHEDULED, State.QUEUED}))
def test_any_other_job_is_left_alone(state: State) -> None:
    job = job_in(state)

    with pytest.raises(TransitionRefused, match=f"is {state} and cannot be rescheduled"):
        reschedule(job.id, LATER, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.delivery) == (state, 1)
    assert not JobAction.objects.exists()


def test_a_job_that_a_worker_takes_meanwhile_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = queued_job()
    move = transitions.move

    def be_overtaken(*args: object, **options: object) -> None:
        attempts.claim(next_run_of(job), delivery=1)
        move(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(transitions, "move", Mock(side_effect=be_overtaken))

    with pytest.raises(TransitionRefused, match="is running and cannot be rescheduled"):
        reschedule(job.id, LATER, now=NOON)


def test_a_job_that_is_gone_is_not_found() -> None:
    with pytest.raises(JobNotFound):
        reschedule(uuid4(), LATER, now=NOON)


@pytest.mark.parametrize("before", [EARLIER, None])
def test_who_moved_it_from_when_to_when_is_audited(before: object) -> None:
    job = scheduled_job() if before else queued_job()

    reschedule(job.id, LATER, now=NOON, actor="ana", reason="after the sale")

    action = JobAction.objects.get(job_id=job.id)
    assert (action.verb, action.actor, action.reason) == ("reschedule", "ana", "after the sale")
    assert action.changes == {"available_at": [before and EARLIER.isoformat(), LATER.isoformat()]}


def test_rescheduling_is_three_statements_for_a_scheduled_job(budget: Budget) -> None:
    job = scheduled_job()

    with budget(3):
        reschedule(job.id, LATER, now=NOON, actor="ana")


def test_rescheduling_is_four_statements_for_a_queued_job(budget: Budget) -> None:
    job = queued_job()

    with budget(4):
        reschedule(job.id, LATER, now=NOON, actor="ana")
