from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from celery.exceptions import Ignore
from django.db import DataError, OperationalError

from celery_jobman.core import attempts, behind, troubles
from celery_jobman.core.endings import Ending
from celery_jobman.exceptions import ClaimLost
from celery_jobman.models import Duty, Job, Outcome, Trouble
from celery_jobman.runtime import connection, execution, identity, seam, settling, supervisor
from celery_jobman.runtime.messages import HEADER, header
from celery_jobman.runtime.running import current_job
from celery_jobman.states import State
from tests.factories import LATER, blocked_job, queued_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Task
    from pytest_django import Settings as Project

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

SUCCESS = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes={"result": "3"})
FAILURE = Ending(outcome=Outcome.FAILED, to=State.FAILED)
BACKOFF = Ending(outcome=Outcome.FAILED, to=State.SCHEDULED, available_at=LATER)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, settings: Project) -> None:
    """Run without a supervisor, and without patience."""
    monkeypatch.setattr(supervisor, "wake", lambda: None)
    settings.JOBMAN = {"OUTAGE_PATIENCE": 0}


@pytest.fixture
def receive(task: Task) -> Iterator[Callable[..., Task]]:
    """Let the task see the request of a message."""
    pushed = []

    def make(job: Job | None = None, **request: Any) -> Task:
        ours = {HEADER: header(job)} if job else {}
        known = {"id": job.task_id if job else "foreign", "args": [1], "kwargs": {}}
        task.push_request(**{**known, "headers": ours, "called_directly": False, **request})
        pushed.append(task)
        return task

    yield make
    for one in pushed:
        one.pop_request()


def test_a_message_claims_its_job(receive: Callable[..., Task]) -> None:
    row = queued_job()

    job = execution.begin(receive(row, hostname="w1@host"))

    row.refresh_from_db()
    assert (job.id, job.attempt, row.state, row.attempt) == (row.id, 1, State.RUNNING, 1)
    assert job.run.hostname == "w1@host"


def test_a_claim_is_one_statement(receive: Callable[..., Task], budget: Budget) -> None:
    task = receive(queued_job())

    with budget(1):
        execution.begin(task)


@pytest.mark.parametrize("trigger", ["automatic", "operator", "rescue", "requeue"])
def test_an_attempt_knows_why_it_runs(receive: Callable[..., Task], trigger: str) -> None:
    assert execution.begin(receive(queued_job(trigger=trigger))).run.trigger == trigger


@pytest.mark.parametrize("trigger", ["rescue", "requeue"])
def test_an_attempt_after_a_loss_is_redelivered_for_celery(
    receive: Callable[..., Task], trigger: str
) -> None:
    task = receive(queued_job(trigger=trigger), delivery_info={"routing_key": "slow"})

    execution.begin(task)

    assert task.request.delivery_info == {"routing_key": "slow", "redelivered": True}


def test_the_second_of_two_equal_messages_is_dropped(
    receive: Callable[..., Task], caplog: pytest.LogCaptureFixture
) -> None:
    task = receive(queued_job())
    execution.begin(task)

    with caplog.at_level("INFO"), pytest.raises(Ignore, match="stale or duplicate"):
        execution.begin(task)
    assert "Message dropped task=demo.add" in caplog.text


def test_a_message_without_a_job_is_adopted(receive: Callable[..., Task]) -> None:
    job = execution.begin(receive())

    row = job.row
    assert (row.task_id, row.state, row.attempt, row.eager) == ("foreign", State.RUNNING, 1, False)
    assert job.request.headers[HEADER]["job"] == str(row.id)


def test_a_link_whose_publisher_does_not_know_its_task_becomes_its_row(
    receive: Callable[..., Task],
) -> None:
    last = blocked_job(delivery=0)
    waiting = blocked_job(delivery=0, task_id="foreign", follows_id=last.id)
    rest = {"task": "demo.add", "args": [], "options": {behind.KEY: str(last.id)}}

    job = execution.begin(receive(parent_id="someone", chain=[rest]))
    settling.settle(job, FAILURE)

    assert (job.id, job.row.state, job.row.delivery) == (waiting.id, State.FAILED, 1)
    assert job.row.next_id == last.id
    last.refresh_from_db()
    assert (last.state, last.stopped_by) == (State.SKIPPED, waiting.id)


def test_a_foreign_message_that_comes_again_is_dropped(receive: Callable[..., Task]) -> None:
    queued_job(task_id="foreign")
    task = receive(delivery_info={"redelivered": True})

    with pytest.raises(Ignore):
        execution.begin(task)
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("worker_identity")
def test_a_stopping_worker_begins_nothing_and_puts_the_job_back(
    receive: Callable[..., Task],
) -> None:
    row = queued_job()
    identity.begin_stopping()

    with pytest.raises(Ignore):
        execution.begin(receive(row))

    row.refresh_from_db()
    assert (row.state, row.attempt) == (State.SCHEDULED, 0)


def test_a_job_that_cannot_be_claimed_is_left_to_redelivery(
    receive: Callable[..., Task], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = queued_job()
    monkeypatch.setattr(attempts, "claim", Mock(side_effect=OperationalError("away")))

    with pytest.raises(Ignore, match="the database is away"):
        execution.begin(receive(row))

    row.refresh_from_db()
    assert row.state == State.QUEUED
    assert "Job could not be claimed" in caplog.text


def test_a_claim_that_is_refused_is_its_jobs_trouble(
    receive: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = queued_job()
    monkeypatch.setattr(attempts, "claim", Mock(side_effect=DataError("out of range")))

    with pytest.raises(Ignore, match="the job could not be begun"):
        execution.begin(receive(row))

    row.refresh_from_db()
    trouble = Trouble.objects.get(row_id=row.id)
    assert row.state == State.QUEUED
    assert (trouble.duty, trouble.error) == (Duty.BEGIN, "DataError: out of range")


def test_a_refusal_that_cannot_even_be_noted_is_left_to_redelivery(
    receive: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = queued_job()
    monkeypatch.setattr(attempts, "claim", Mock(side_effect=DataError("out of range")))
    monkeypatch.setattr(troubles, "note", Mock(side_effect=OperationalError("away")))

    with pytest.raises(Ignore, match="the job could not be begun"):
        execution.begin(receive(row))

    row.refresh_from_db()
    assert row.state == State.QUEUED


@pytest.fixture
def broken_once(monkeypatch: pytest.MonkeyPatch, settings: Project) -> Callable[[str], None]:
    """Let the connection break when a verb of ``attempts`` has committed, the first time."""
    settings.JOBMAN = {"OUTAGE_PATIENCE": 5}
    monkeypatch.setattr(connection, "connections_busy", lambda: False)
    monkeypatch.setattr(connection, "drop", lambda: None)

    def break_after(verb: str) -> None:
        write, calls = getattr(attempts, verb), iter([OperationalError("cut")])

        def written(*args: Any) -> Any:
            result = write(*args)
            for error in calls:
                raise error
            return result

        monkeypatch.setattr(attempts, verb, written)

    return break_after


def test_a_claim_that_was_written_although_the_connection_broke_holds(
    receive: Callable[..., Task], broken_once: Callable[[str], None]
) -> None:
    row = queued_job()
    broken_once("claim")

    job = execution.begin(receive(row))

    row.refresh_from_db()
    assert (job.id, job.attempt) == (row.id, 1)
    assert (row.state, row.attempt, row.started_at) == (State.RUNNING, 1, job.run.started_at)


@pytest.mark.usefixtures("broken_once")
def test_a_second_try_does_not_take_what_another_thread_has_claimed(
    receive: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = queued_job()
    execution.begin(receive(row))
    refused = Mock(side_effect=[OperationalError("cut"), False])
    monkeypatch.setattr(attempts, "claim", refused)

    with pytest.raises(Ignore, match="stale or duplicate message"):
        execution.begin(receive(row))

    assert refused.call_count == 2


def test_a_message_is_adopted_once_although_the_connection_broke(
    receive: Callable[..., Task], broken_once: Callable[[str], None]
) -> None:
    broken_once("adopt")

    job = execution.begin(receive())

    assert Job.objects.get().id == job.id
    assert job.request.headers[HEADER]["job"] == str(job.id)


@pytest.mark.usefixtures("worker_identity")
def test_a_run_names_its_worker(receive: Callable[..., Task], settings: Project) -> None:
    settings.JOBMAN = {"CODE_VERSION": "1.2"}
    me = identity.current()

    run = execution.run_of(receive(), uuid4(), 3)

    assert me is not None
    assert (run.worker_id, run.number, run.code_version) == (me.worker_id, 3, "1.2")


def test_a_job_whose_step_was_deleted_under_it_does_not_run_for_ever(
    receive: Callable[..., Task],
) -> None:
    task = receive(queued_job(max_attempts=1))

    def body(*_: Any) -> None:
        job = current_job()
        assert job is not None
        for _ in job.iterate("load", "abc", every=1):
            job.row.steps.all().delete()

    task.run = body
    with suppress(Ignore, ClaimLost):
        seam.enter(task, lambda: task.run(1))

    assert Job.objects.get().state != State.RUNNING
