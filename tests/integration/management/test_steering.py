"""retry, fork, cancel, reschedule, dispatch and rescue."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from celery_jobman.exceptions import UnknownTask
from celery_jobman.models import Job, JobAction, Step, StepState
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import broker, registry
from celery_jobman.states import State
from tests.factories import (
    checkpoint,
    finished_job,
    queued_job,
    running_job,
    scheduled_job,
    worker,
)

if TYPE_CHECKING:
    from tests.integration.management.conftest import Command

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())


@pytest.fixture
def imported() -> Job:
    job = finished_job(State.FAILED, declared_steps=["fetch", "load", "report"])
    checkpoint(job, "fetch")
    checkpoint(job, "load", skipped=[{"index": 3, "item": 3, "error": "bad"}])
    return job


def _state(job: Job) -> str:
    return Job.objects.values_list("state", flat=True).get(pk=job.pk)


def test_retry_names_what_is_reused(jobman: Command, imported: Job) -> None:
    answer = jobman("retry", imported.id, "--reason", "the API is back")

    assert answer.lines == [
        f"{imported.id}  scheduled  reuses fetch, load; runs report",
        "1 job retried",
    ]
    action = JobAction.objects.get(job_id=imported.id)
    assert (action.verb, action.reason) == ("retry", "the API is back")


def test_retry_from_a_step(jobman: Command, imported: Job) -> None:
    fact, total = jobman("retry", imported.id, "--from-step", "load", "--json").facts

    assert fact["reused"] == ["fetch"]
    assert fact["again"] == ["load", "report"]
    assert total == {"total": 1, "refused": 0}
    assert Step.objects.get(name="load").superseded == 1


def test_retry_of_skipped_items(jobman: Command, imported: Job) -> None:
    answer = jobman("retry", imported.id, "--skipped", "load")

    assert answer.lines[0] == f"{imported.id}  scheduled  runs 1 skipped item again"
    assert Step.objects.get(name="load").state == StepState.REPLAYING


def test_a_retry_can_be_tried_dry(jobman: Command, imported: Job) -> None:
    plain = jobman("retry", imported.id, "--dry-run")
    stepped = jobman("retry", "--all", "--from-step", "fetch", "--dry-run")
    skipped = jobman("retry", imported.id, "--skipped", "load", "--dry-run")

    assert plain.lines == [
        f"{imported.id}  reuses fetch, load; runs report",
        "1 job would be retried",
    ]
    assert stepped.lines[0].endswith("reuses nothing; runs fetch, load, report")
    assert skipped.lines[0].endswith("would run 1 skipped item again")
    assert _state(imported) == State.FAILED
    assert not JobAction.objects.exists()


@pytest.mark.parametrize("option", ["--from-step", "--skipped"])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_an_unknown_step_lists_the_steps(
    jobman: Command, imported: Job, option: str, dry: list[str]
) -> None:
    answer = jobman.refused("retry", imported.id, option, "laod", *dry)

    assert "has no step 'laod'; its steps are: " in answer.error
    assert answer.status == 1
    assert _state(imported) == State.FAILED


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_runs_is_not_retried(jobman: Command, dry: list[str]) -> None:
    job = running_job()

    assert "is running and cannot be retried" in jobman.refused("retry", job.id, *dry).error


def test_what_succeeded_is_retried_only_when_confirmed(jobman: Command) -> None:
    job = finished_job(State.SUCCEEDED)

    assert "Run again what succeeded?" in jobman.refused("retry", job.id).error
    assert _state(job) == State.SUCCEEDED
    assert jobman("retry", job.id, "--yes").lines[0].endswith("runs from the start")
    assert _state(job) == State.SCHEDULED


def test_retry_of_many_asks_first(jobman: Command) -> None:
    jobs = [finished_job(State.FAILED) for _ in range(2)]
    finished_job(State.CANCELLED)

    refused = jobman.refused("retry", "--all")
    assert refused.error.startswith("Retry 2 failed jobs? Nobody can answer here")
    assert _state(jobs[0]) == State.FAILED

    assert jobman("retry", "--all", "--yes").lines[-1] == "2 jobs retried"
    assert [_state(job) for job in jobs] == [State.SCHEDULED] * 2


def test_retry_of_a_task_or_queue(jobman: Command) -> None:
    mine = finished_job(State.FAILED, task="shop.sync", queue="slow")
    finished_job(State.FAILED, task="shop.sync")
    finished_job(State.FAILED, queue="slow")

    lines = jobman("retry", "--task", "sync", "--queue", "slow", "-y").lines

    assert lines[0].startswith(str(mine.id))
    assert lines[-1] == "1 job retried"


def test_a_refusal_among_many_does_not_stop_the_rest(jobman: Command) -> None:
    good, bad = finished_job(State.FAILED), running_job()

    answer = jobman.refused("retry", bad.id, good.id)

    assert answer.error == "1 job refused"
    assert "is running and cannot be retried" in answer.notes
    assert _state(good) == State.SCHEDULED


def test_one_unknown_id_among_many_refuses_all(jobman: Command) -> None:
    good = finished_job(State.FAILED)

    assert "there is no job nope" in jobman.refused("retry", good.id, "nope").error
    assert _state(good) == State.FAILED


@pytest.mark.parametrize("arguments", [[], ["some-id", "--all"]])
def test_retry_needs_ids_or_a_choice(jobman: Command, arguments: list[str]) -> None:
    answer = jobman.refused("retry", *arguments)

    assert "say which jobs" in answer.error
    assert answer.status == 2


@pytest.mark.django_db(transaction=True)
def test_a_retried_job_goes_to_the_broker_at_once(jobman: Command) -> None:
    job = finished_job(State.FAILED)

    answer = jobman("retry", job.id)

    assert answer.lines[0].startswith(f"{job.id}  queued")
    assert "No worker is alive to take it" in answer.notes


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_is_told(jobman: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = OperationalError("nobody there")
    monkeypatch.setattr(broker, "publish", Mock(side_effect=refusal))
    monkeypatch.setattr(broker, "publish_all", lambda _jobs: (0, refusal))
    job = finished_job(State.FAILED)

    answer = jobman("retry", job.id)

    assert answer.lines[0].startswith(f"{job.id}  scheduled")
    assert "the broker did not take it (OperationalError: nobody there)" in answer.notes

    Job.objects.update(available_at=LONG_AGO)
    dispatched = jobman.refused("dispatch")
    assert dispatched.lines == ["0 messages sent"]
    assert "the broker refused: OperationalError: nobody there" in dispatched.error


def test_fork_changes_arguments(jobman: Command) -> None:
    job = finished_job(State.FAILED, args="[1]", kwargs='{"y": 2}')

    fact = jobman("fork", job.id, "--arg", "y=5", "--json").facts[0]

    copy = Job.objects.get(pk=fact["id"])
    assert fact["fork_of"] == str(job.id)
    assert copy.arguments == ([1], {"y": 5})
    assert copy.retry_of == job.id


def test_fork_with_all_arguments_anew(jobman: Command) -> None:
    job = finished_job(State.FAILED, args="[1]", kwargs='{"y": 2}')

    line = jobman("fork", job.id, "--args", "[7, 8]", "--kwargs", "{}").lines[0]

    assert Job.objects.get(pk=line.split()[0]).arguments == ([7, 8], {})
    assert line.endswith(f"fork of {job.id}; reuses nothing")


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_fork_of_a_member_says_that_it_stands_alone(
    jobman: Command, options: tuple[str, ...]
) -> None:
    job = finished_job(State.FAILED, args="[1]", kwargs='{"y": 2}', next_id=uuid7())

    assert (
        jobman("fork", job.id, *options).lines[0].endswith("; stands alone, outside the workflow")
    )


def test_fork_keeps_checkpoints(jobman: Command, imported: Job) -> None:
    line = jobman("fork", imported.id, "--from-step", "load").lines[0]

    assert line.endswith("reuses fetch")
    assert Step.objects.filter(job_id=line.split()[0]).count() == 1


def test_fork_can_stand_for_the_old_job(jobman: Command, imported: Job) -> None:
    fact = jobman("fork", imported.id, "--replaces", "--json").facts[0]

    imported.refresh_from_db()
    assert str(imported.replaced_by) == fact["id"]


def test_fork_dry_run_writes_nothing(jobman: Command, imported: Job) -> None:
    asked = ["fork", imported.id, "--args", "[3]", "--from-step", "load", "--dry-run"]

    assert jobman(*asked).lines == [f"{imported.id}  would be forked as demo.add(3); reuses fetch"]
    assert Job.objects.count() == 1


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("arguments", "complaint", "status"),
    [
        (["--arg", "z=3"], "unexpected keyword argument 'z'", 1),
        (["--args", "[]"], "missing 1 required positional argument: 'x'", 1),
        (["--from-step", "laod"], "has no step 'laod'; its steps are: fetch, load, report", 1),
        (["--kwargs", "{}", "--arg", "y=3"], "either --kwargs or --arg", 2),
        (["--args", "3"], "'3' is JSON, but no list", 1),
    ],
)
def test_fork_refuses_what_does_not_fit(
    jobman: Command,
    imported: Job,
    arguments: list[str],
    complaint: str,
    status: int,
    dry: list[str],
) -> None:
    Job.objects.filter(pk=imported.pk).update(args="[1]")

    answer = jobman.refused("fork", imported.id, *arguments, *dry)

    assert complaint in answer.error
    assert answer.status == status
    assert Job.objects.count() == 1


def test_fork_of_an_unknown_task(jobman: Command) -> None:
    job = finished_job(State.FAILED, task="gone.task")

    assert (
        "no task is registered as 'gone.task'"
        in jobman.refused("fork", job.id, "--args", "[]").error
    )


def test_cancel_of_what_waits_and_what_runs(jobman: Command) -> None:
    waiting, running = queued_job(), running_job()

    answer = jobman("cancel", waiting.id, running.id, "--reason", "wrong file")

    assert answer.lines == [
        f"{waiting.id}  cancelled",
        f"{running.id}  asked to stop; stops at its next checkpoint, or by force in 30s",
        "2 jobs cancelled or asked to stop",
    ]
    assert _state(waiting) == State.CANCELLED
    assert Job.objects.get(pk=running.pk).cancel_requested_at is not None
    assert set(JobAction.objects.values_list("reason", flat=True)) == {"wrong file"}


def test_cancel_works_although_the_tasks_cannot_be_imported(
    jobman: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "import_tasks", lambda: ImportError("no shop"))

    answer = jobman("cancel", queued_job().id)

    assert answer.lines[-1] == "1 job cancelled or asked to stop"
    assert "could not be imported (ImportError: no shop)" in answer.notes


def test_cancel_by_force(jobman: Command) -> None:
    job = running_job()

    assert jobman("cancel", job.id, "--force").lines[0].endswith("is being stopped by force")
    assert Job.objects.get(pk=job.pk).cancel_forced


def test_cancel_dry_run_writes_nothing(jobman: Command) -> None:
    waiting, running = queued_job(), running_job()

    answer = jobman("cancel", waiting.id, running.id, "--dry-run")

    assert answer.lines[0].endswith("would be cancelled")
    assert answer.lines[1].endswith("would be asked to stop")
    assert _state(waiting) == State.QUEUED


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_cancel_refuses_what_has_ended(jobman: Command, dry: list[str]) -> None:
    job = finished_job(State.SUCCEEDED)

    assert "is succeeded and cannot be cancelled" in jobman.refused("cancel", job.id, *dry).error


def test_reschedule_to_a_time_from_now(jobman: Command) -> None:
    job = queued_job()

    line = jobman("reschedule", job.id, "--in", "10m").lines[0]

    assert line.startswith(f"{job.id}  scheduled  begins in 10m, at 20")
    due = Job.objects.get(pk=job.pk).available_at
    assert due is not None
    assert timedelta(minutes=9) < due - timezone.now() <= timedelta(minutes=10)


def test_reschedule_to_a_moment(jobman: Command) -> None:
    job = scheduled_job()

    jobman("reschedule", job.id, "--at", "2040-01-31 12:00")

    assert Job.objects.get(pk=job.pk).available_at == datetime(2040, 1, 31, 12, tzinfo=UTC)


def test_reschedule_into_the_past_is_now(jobman: Command) -> None:
    assert jobman("reschedule", queued_job().id, "--in", "0s").lines[0].endswith("begins now")


@pytest.mark.parametrize("arguments", [[], ["--in", "soon"], ["--in", "1h", "--at", "2040-01-31"]])
def test_reschedule_needs_one_time(jobman: Command, arguments: list[str]) -> None:
    assert jobman.refused("reschedule", queued_job().id, *arguments).error.startswith("Error: ")


def test_reschedule_refuses_what_runs(jobman: Command) -> None:
    assert (
        "cannot be rescheduled"
        in jobman.refused("reschedule", running_job().id, "--in", "1h").error
    )


def test_dispatch_sends_what_is_due(jobman: Command) -> None:
    due = scheduled_job(available_at=LONG_AGO)
    scheduled_job(available_at=LONG_AGO)

    assert jobman("dispatch", "--limit", 1).lines == ["1 message sent"]
    assert jobman("dispatch", "--json").facts == [{"total": 1}]
    assert jobman("dispatch").lines == ["0 messages sent"]
    assert _state(due) == State.QUEUED


def test_dispatch_does_not_blame_the_broker_for_a_task_that_no_worker_knows(
    jobman: Command,
) -> None:
    later = timezone.now() + timedelta(minutes=1)
    scheduled_job(dispatch_error=f"UnknownTask: {UnknownTask('shop.new')}", available_at=later)

    assert jobman("dispatch").lines == ["0 messages sent"]


def test_rescue_takes_back_what_dead_workers_held(jobman: Command) -> None:
    dead = worker(seen=LONG_AGO)
    job = running_job(worker_id=dead.id, started_at=LONG_AGO)

    assert jobman("rescue").lines == [
        f"{job.id}  scheduled  demo.add: its worker stopped giving signs of life",
        "1 job taken back",
    ]
    assert jobman("rescue").lines == ["0 jobs taken back"]
