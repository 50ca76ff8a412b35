from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Task as PlainTask
from celery import signals, states
from celery.app.trace import trace_task
from celery.exceptions import Retry
from django.db import DatabaseError

from celery_jobman.core import attempts, jobs
from celery_jobman.models import Job, LogLine, Outcome
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import keeping, supervisor, tracking
from celery_jobman.runtime.identity import Identity
from celery_jobman.runtime.messages import HEADER, header
from celery_jobman.runtime.running import current_job
from celery_jobman.states import State
from tests.factories import finished_job, queued_job, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Task
    from pytest_django import Settings as Project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def tracked(settings: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Track plain tasks of the shop, without a supervisor beside them."""
    settings.JOBMAN = {"TRACK": ["shop.*"]}
    monkeypatch.setattr(supervisor, "wake", lambda: None)


@pytest.fixture
def plain(app: Celery) -> Iterator[Task]:
    """Return a plain task whose name is tracked."""

    def add(_self: Any, x: int, y: int = 1) -> int:
        return x + y

    yield app.task(name="shop.add", base=PlainTask, bind=True, shared=False)(add)
    app.tasks.pop("shop.add")


@pytest.fixture
def connected() -> Iterator[None]:
    tracking.connect()
    yield
    signals.before_task_publish.disconnect(dispatch_uid="jobman.tracking")


def publish(task: Task, **headers: Any) -> None:
    """Say what Celery says before a message leaves."""
    tracking.published(
        task.name, {"id": "t1", "root_id": "t1", **headers}, ((1,), {"y": 2}, {}),
        routing_key="slow",
    )  # fmt: skip


def test_only_plain_tasks_of_matching_names_are_tracked(plain: Task, task: Task) -> None:
    other = Mock(spec=["name"])
    other.name = "mail.send"

    assert tracking.is_tracked(plain)
    assert not tracking.is_tracked(other)
    assert not tracking.is_tracked(task)
    assert not tracking.is_tracked(None)


def test_a_message_about_to_leave_makes_a_row(plain: Task) -> None:
    publish(plain)

    job = Job.objects.get()
    assert (job.task, job.task_id, job.queue, job.state) == ("shop.add", "t1", "slow", State.QUEUED)
    assert (job.arguments, job.observed) == (([1], {"y": 2}), True)


@pytest.mark.parametrize("headers", [{"retries": 1}, {HEADER: {"job": "1"}}])
def test_a_retry_or_a_message_of_ours_makes_no_further_row(
    plain: Task, headers: dict[str, Any]
) -> None:
    publish(plain, **headers)

    assert not Job.objects.exists()


def test_a_task_that_is_not_tracked_makes_no_row(task: Task) -> None:
    publish(task)

    assert not Job.objects.exists()


def test_a_row_that_cannot_be_written_does_not_stop_the_message(
    plain: Task, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jobs, "enqueue", Mock(side_effect=DatabaseError))

    publish(plain)

    assert "Plain task could not be recorded task=shop.add" in caplog.text


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("known", [True, False])
def test_a_plain_task_is_recorded_from_its_begin_to_its_end(plain: Task, known: bool) -> None:  # noqa: FBT001
    if known:
        publish(plain)

    result = plain.apply((1,), {"y": 2}, task_id="t1")

    job = Job.objects.get()
    assert result.get() == job.return_value == 3
    assert (job.state, job.attempt, job.observed) == (State.SUCCEEDED, 1, True)
    assert job.attempts.get().outcome == Outcome.SUCCEEDED
    assert current_job() is None


@pytest.mark.usefixtures("connected")
def test_a_second_run_under_one_id_is_a_job_of_its_own(plain: Task) -> None:
    for _ in range(2):
        plain.apply((1,), task_id="t1")

    assert Job.objects.filter(task_id="t1", state=State.SUCCEEDED).count() == 2


@pytest.mark.usefixtures("connected")
def test_a_plain_task_that_runs_twice_at_once_is_recorded_once(plain: Task) -> None:
    publish(plain)
    Job.objects.update(state=State.RUNNING, attempt=1, started_at=Job.objects.get().created_at)

    plain.apply((1,), task_id="t1")

    job = Job.objects.get()
    assert (job.state, job.attempts.count()) == (State.RUNNING, 0)


def fails(_: Any) -> None:
    raise ValueError("no stock")


@pytest.mark.usefixtures("connected")
def test_a_plain_failure_is_recorded_with_its_error(plain: Task) -> None:
    plain.run = lambda *_: fails(_)

    plain.apply((1,), task_id="t1")

    job = Job.objects.get()
    assert (job.state, job.error_message) == (State.FAILED, "no stock")
    assert "no stock" in job.attempts.get().traceback


@pytest.mark.parametrize(
    ("state", "retval", "outcome", "to"),
    [
        (states.SUCCESS, 7, Outcome.SUCCEEDED, State.SUCCEEDED),
        (states.IGNORED, None, Outcome.SUCCEEDED, State.SUCCEEDED),
        (states.RETRY, Retry(exc=ValueError("busy")), Outcome.FAILED, State.QUEUED),
        (states.FAILURE, ValueError("busy"), Outcome.FAILED, State.FAILED),
        (states.REJECTED, None, Outcome.FAILED, State.FAILED),
        (None, None, Outcome.INTERRUPTED, State.FAILED),
    ],
)
def test_what_celerys_states_mean(
    plain: Task, state: str | None, retval: Any, outcome: Outcome, to: State
) -> None:
    ending = tracking._ending(plain, state, retval)

    assert (ending.outcome, ending.to) == (outcome, to)
    assert ending.fault.error_message == ("busy" if "busy" in repr(retval) else "")


def test_a_result_that_is_no_json_is_left_out(plain: Task) -> None:
    assert tracking._ending(plain, states.SUCCESS, {1}).changes == {"result": None}


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("verb", "logged"),
    [
        ("adopt", "Plain task could not be recorded task=shop.add"),
        ("finish", "Plain task's end could not be recorded"),
    ],
)
def test_trouble_with_a_record_does_not_trouble_the_task(
    plain: Task,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    verb: str,
    logged: str,
) -> None:
    monkeypatch.setattr(attempts, verb, Mock(side_effect=ValueError("broken")))

    assert plain.apply((1,), {"y": 2}).get() == 3
    assert logged in caplog.text
    assert current_job() is None


@pytest.mark.usefixtures("connected")
def test_a_plain_job_that_was_taken_meanwhile_is_not_overwritten(
    plain: Task, caplog: pytest.LogCaptureFixture
) -> None:
    plain.run = lambda *_: Job.objects.update(attempt=2)

    plain.apply((1,))

    assert "Attempt lost its claim" in caplog.text
    assert Job.objects.get().state == State.RUNNING


@pytest.mark.usefixtures("connected")
def test_the_log_of_a_plain_task_is_kept(plain: Task) -> None:
    plain.run = lambda *_: logging.getLogger("shop").warning("loaded")

    plain.apply((1,))

    assert LogLine.objects.filter(job_id=Job.objects.get().id, message="loaded").exists()


@pytest.mark.usefixtures("connected")
def test_an_untracked_task_passes_by(task: Task) -> None:
    tracking.begin(task, "t1")
    tracking.end(task, "t1", states.SUCCESS, None)

    assert not Job.objects.exists()


def test_without_patterns_no_message_makes_a_row(settings: Project) -> None:
    settings.JOBMAN = {}
    before = len(signals.before_task_publish.receivers)

    tracking.connect()

    assert len(signals.before_task_publish.receivers) == before


@pytest.fixture
def copied(app: Celery, settings: Project) -> Iterator[Task]:
    """Return a plain copy of a task whose calls make jobs elsewhere."""
    settings.JOBMAN = {}

    def add(self: Any, x: int) -> int:
        if x < 0:
            raise ValueError(x)
        if x > self.request.retries:
            raise self.retry(countdown=0, max_retries=None)
        return x

    yield app.task(name="demo.copied", base=PlainTask, bind=True, shared=False)(add)
    app.tasks.pop("demo.copied")


def execute(task: Task, row: Job, *args: Any, **request: Any) -> None:
    """Let Celery execute the message of a row."""
    facts = {"id": row.task_id, HEADER: header(row), "delivery_info": {}, **request}
    trace_task(task, row.task_id, args, {}, facts, app=task.app)


@pytest.mark.parametrize(("x", "state"), [(0, State.SUCCEEDED), (-1, State.FAILED)])
def test_a_plain_copy_of_a_task_tells_the_row_of_its_end(
    copied: Task, x: int, state: State
) -> None:
    row = queued_job(task="demo.copied", delivery=3)

    execute(copied, row, x)

    row.refresh_from_db()
    assert (row.state, row.attempt) == (state, 1)


def test_a_retry_of_a_plain_copy_is_the_same_job(copied: Task) -> None:
    row = queued_job(task="demo.copied")
    known = header(row)

    execute(copied, row, 1)
    row.refresh_from_db()
    between = row.state
    execute(copied, row, 1, retries=1, **{HEADER: known})

    row.refresh_from_db()
    assert (between, row.state, row.attempt) == (State.QUEUED, State.SUCCEEDED, 2)
    assert Job.objects.count() == 1


def test_a_retry_that_is_quicker_than_the_end_before_it_waits_for_that(
    copied: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = running_job(task="demo.copied")
    known = {**header(row), "attempt": 1}

    def end_meanwhile(_seconds: float) -> None:
        Job.objects.filter(pk=row.pk).update(state=State.QUEUED)

    monkeypatch.setattr(time, "sleep", end_meanwhile)
    execute(copied, row, 1, retries=1, **{HEADER: known})

    row.refresh_from_db()
    assert (row.state, row.attempt) == (State.SUCCEEDED, 2)


@pytest.mark.parametrize("patience", [0.0, 5.0])
def test_what_still_runs_is_not_begun_twice(
    copied: Task, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    row = running_job(task="demo.copied")
    monkeypatch.setattr(tracking, "RETRY_PATIENCE", patience)

    execute(copied, row, 1, retries=int(not patience))

    row.refresh_from_db()
    assert (row.state, row.attempt) == (State.RUNNING, 1)


def test_a_copy_that_is_a_member_tells_its_batch(copied: Task) -> None:
    row = queued_job(task="demo.copied")
    ours = {**header(row), "batch": str(uuid7())}
    copied.push_request(id=row.task_id, args=[0], kwargs={}, **{HEADER: ours})

    run = tracking._claim_copy(copied)

    copied.pop_request()
    assert run is not None
    assert run.member is not None
    assert str(run.member.batch_id) == ours["batch"]


def test_a_copy_whose_job_has_ended_runs_unrecorded(
    copied: Task, caplog: pytest.LogCaptureFixture
) -> None:
    row = finished_job(task="demo.copied")

    execute(copied, row, 0)

    assert row.attempts.count() == 0
    assert "Plain copy of a task runs without its job task=demo.copied" in caplog.text


def test_a_task_that_this_worker_does_not_track_tells_the_row(plain_job: Task) -> None:
    row = queued_job(task="demo.untracked")

    execute(plain_job, row)

    row.refresh_from_db()
    assert row.state == State.SUCCEEDED


@pytest.fixture
def plain_job(app: Celery) -> Iterator[Task]:
    def nothing() -> None: ...

    yield app.task(name="demo.untracked", shared=False, track=False)(nothing)
    app.tasks.pop("demo.untracked")


def test_an_ended_job_of_the_same_id_is_not_claimed_again(plain: Task) -> None:
    old = finished_job(task="shop.add", task_id="t1")
    queued_job(task="shop.add", task_id="t2")
    plain.push_request(id="t1", args=[1], kwargs={}, called_directly=False)

    run = tracking._claim(plain)

    plain.pop_request()
    assert run is not None
    assert run.job_id != old.id


@pytest.mark.parametrize("error", [WorkerLostError("signal 9"), TimeLimitExceeded(60)])
def test_a_plain_task_whose_process_died_is_left_to_the_keeper(
    plain: Task, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    notes: list[Any] = []
    monkeypatch.setattr(keeping, "note", notes.append)

    tracking.lost(sender=plain, task_id="t1", exception=error, einfo=None)

    (note,) = notes
    assert (note.args[0].task_id, note.args[0].error) == ("t1", error)


def test_the_job_of_a_plain_task_whose_process_died_has_failed(plain: Task) -> None:
    me = Identity(uuid7(), "w1@host", "prefork")
    job = running_job(task="shop.add", task_id="t1", observed=True, worker_id=me.worker_id, pid=7)
    notes: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "note", notes.append)
        tracking.lost(sender=plain, task_id="t1", exception=WorkerLostError("signal 9"))

    notes[0](me)

    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "signal 9" in job.error_message


@pytest.mark.parametrize("error", [ValueError("no stock"), None])
def test_any_other_failure_of_a_plain_task_ends_where_it_ran(
    plain: Task, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    notes: list[Any] = []
    monkeypatch.setattr(keeping, "note", notes.append)

    tracking.lost(sender=plain, task_id="t1", exception=error)

    assert notes == []
