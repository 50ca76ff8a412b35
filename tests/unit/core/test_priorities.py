from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock
from uuid import uuid4

import pytest

from celery_jobman.core import attempts, dispatching, schedule
from celery_jobman.core.priorities import change_priority
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Job, JobAction
from celery_jobman.states import State
from tests.factories import LATER, NOON, job_in, next_run_of, queued_job, scheduled_job

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def test_a_scheduled_job_keeps_its_time() -> None:
    job = scheduled_job(available_at=LATER, priority=3)

    change_priority(job.id, 7, now=NOON, actor="ann", reason="hurry")

    job.refresh_from_db()
    assert (job.state, job.available_at, job.priority) == (State.SCHEDULED, LATER, 7)
    action = JobAction.objects.get()
    assert (action.verb, action.actor, action.reason) == ("change priority", "ann", "hurry")
    assert action.changes == {"priority": [3, 7]}


def test_a_queued_jobs_message_goes_stale_and_another_is_sent() -> None:
    job = queued_job(delivery=1)
    publish = Mock(return_value=(1, None))

    change_priority(job.id, 7, now=NOON)

    assert not attempts.claim(next_run_of(job), delivery=1)
    assert dispatching.dispatch_due(publish, now=NOON) == 1
    assert publish.call_args.args[0][0].priority == 7


def test_a_dispatcher_that_read_the_old_priority_does_not_send_it() -> None:
    job = scheduled_job(priority=3)
    read_before = Job.objects.get(pk=job.id)
    publish = Mock()

    change_priority(job.id, 7, now=NOON)

    assert schedule.dispatch(read_before, publish, now=NOON) is None
    publish.assert_not_called()


def test_none_is_the_queues_own() -> None:
    job = scheduled_job(priority=3)

    change_priority(job.id, None, now=NOON)

    job.refresh_from_db()
    assert job.priority is None


@pytest.mark.parametrize("state", sorted(set(State) - {State.SCHEDULED, State.QUEUED}))
def test_it_is_refused_elsewhere(state: State) -> None:
    job = job_in(state, priority=3)

    with pytest.raises(TransitionRefused, match=state):
        change_priority(job.id, 7, now=NOON)

    job.refresh_from_db()
    assert job.priority == 3
    assert not JobAction.objects.exists()


@pytest.mark.parametrize("priority", [-1, 256])
def test_a_number_that_no_broker_knows_is_refused(priority: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 255"):
        change_priority(scheduled_job().id, priority, now=NOON)


def test_a_job_that_is_not_there() -> None:
    with pytest.raises(JobNotFound):
        change_priority(uuid4(), 7, now=NOON)


def test_it_takes_few_statements(budget: Budget) -> None:
    job = queued_job()

    with budget(4):
        change_priority(job.id, 7, now=NOON, actor="ann")
