from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from celery_jobman.core import rescue
from celery_jobman.core.rescue import Rescued, lose, rescue_lost, run_of
from celery_jobman.models import Job, Outcome, Worker
from celery_jobman.states import State
from tests.factories import EARLIER, LATER, NOON, job_in, running_job, worker

if TYPE_CHECKING:
    from pytest_django import Settings as Project

    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

SILENCE = timedelta(seconds=30)
SILENT = NOON - SILENCE - timedelta(seconds=1)
HEARD = NOON - SILENCE
WHY = "its worker stopped giving signs of life"


def held_job(*, seen: Any = SILENT, **fields: Any) -> Job:
    """Return a job that a worker runs; the worker was last seen at ``seen``."""
    return running_job(worker_id=worker(seen=seen).id, pid=4711, **fields)


def rescued(**options: Any) -> list[Rescued]:
    return rescue_lost(silence=SILENCE, now=NOON, **options)


def test_a_silent_workers_job_is_put_back() -> None:
    job = held_job()

    assert rescued() == [
        Rescued(job_id=job.id, task_id=job.task_id, task=job.task, state=State.SCHEDULED, error=WHY)
    ]

    job.refresh_from_db()
    assert (job.state, job.available_at, job.trigger) == (State.SCHEDULED, NOON, "rescue")
    assert (job.worker_id, job.pid, job.failures, job.crashes) == (None, None, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_row_that_a_transaction_holds_is_left_alone_and_holds_up_no_other() -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("the database has no SKIP LOCKED")
    frozen, free = held_job(), held_job()
    stranger = connection.copy("stranger")
    try:
        stranger.set_autocommit(False)
        with stranger.cursor() as cursor:
            row = Job._meta.pk.get_db_prep_value(frozen.id, stranger)
            cursor.execute("SELECT id FROM jobman_job WHERE id = %s FOR UPDATE", [row])
        assert [entry.job_id for entry in rescued()] == [free.id]
        stranger.rollback()
    finally:
        stranger.close()

    assert [entry.job_id for entry in rescued()] == [frozen.id]


def test_the_lost_attempt_says_who_ran_it() -> None:
    job = held_job(trigger="operator")

    rescued()

    row = job.attempts.get()
    assert (row.outcome, row.number, row.started_at) == (Outcome.LOST, 1, EARLIER)
    assert (row.worker_id, row.hostname, row.pid) == (job.worker_id, "w1@host", 4711)
    assert (row.trigger, row.error_message) == ("operator", WHY)
    assert row.error_class == "celery_jobman.exceptions.JobLost"


def test_a_living_workers_job_is_left_alone_however_long_it_runs() -> None:
    held_job(seen=HEARD, started_at=NOON - timedelta(days=9))

    assert rescued() == []


def test_a_worker_that_said_goodbye_is_dead_at_once() -> None:
    job = held_job(seen=NOON)
    Worker.objects.update(stopped_at=NOON)

    assert [entry.job_id for entry in rescued()] == [job.id]


@pytest.mark.parametrize(("started", "lost"), [(SILENT, True), (HEARD, False)])
def test_a_worker_nobody_ever_heard_of_has_a_little_time(started: Any, lost: bool) -> None:  # noqa: FBT001
    running_job(worker_id=uuid4(), started_at=started)

    assert bool(rescued()) is lost


def test_a_job_that_runs_outside_workers_is_left_alone() -> None:
    running_job(worker_id=None, started_at=NOON - timedelta(days=9))

    assert rescued() == []


@pytest.mark.parametrize("state", sorted(set(State) - {State.RUNNING}))
def test_only_running_jobs_can_be_lost(state: State) -> None:
    job_in(state, worker_id=worker(seen=SILENT).id)

    assert rescued() == []


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"max_attempts": 3, "failures": 1}, State.SCHEDULED),
        ({"max_attempts": 3, "failures": 2}, State.FAILED),
        ({"max_attempts": None, "failures": 9}, State.SCHEDULED),
        ({"max_attempts": 1}, State.FAILED),
        ({"crashes": 1}, State.SCHEDULED),
        ({"crashes": 2}, State.FAILED),
        ({"observed": True}, State.FAILED),
        ({"cancel_requested_at": EARLIER}, State.CANCELLED),
        ({"cancel_requested_at": EARLIER, "crashes": 9}, State.CANCELLED),
    ],
)
def test_where_a_lost_job_goes(fields: dict[str, Any], state: State) -> None:
    job = held_job(**fields)

    (entry,) = rescued()

    job.refresh_from_db()
    assert entry.state == job.state == state


def test_a_poisoned_job_says_how_many_workers_it_took() -> None:
    job = held_job(crashes=2)

    rescued()

    job.refresh_from_db()
    assert job.error_class == "celery_jobman.exceptions.JobPoisoned"
    assert job.error_message == f"{WHY}; its worker died in 3 attempts, it is not tried again"


def test_the_poison_limit_is_the_projects(settings: Project) -> None:
    settings.JOBMAN = {"POISON_LIMIT": 1}
    job = held_job()

    rescued()

    job.refresh_from_db()
    assert job.state == State.FAILED


def test_a_lost_job_that_was_to_be_cancelled_has_no_error() -> None:
    job = held_job(cancel_requested_at=EARLIER)

    rescued()

    assert job.attempts.get().outcome == Outcome.CANCELLED
    job.refresh_from_db()
    assert (job.error_message, job.failures) == ("", 0)


def in_between(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let ``change`` happen between the rescuer's reading of a job and its write."""
    lose = rescue.lose

    def be_late(*args: Any, **options: Any) -> Rescued | None:
        change()
        return lose(*args, **options)

    monkeypatch.setattr(rescue, "lose", be_late)


def test_a_heartbeat_that_arrives_during_the_rescue_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    job = held_job()
    in_between(monkeypatch, lambda: Worker.objects.update(seen_at=NOON))

    assert rescued() == []
    job.refresh_from_db()
    assert (job.state, job.attempts.count()) == (State.RUNNING, 0)


def test_an_attempt_that_ends_during_the_rescue_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    job = held_job()
    ended = {"state": State.SUCCEEDED, "finished_at": NOON}
    in_between(monkeypatch, lambda: Job.objects.update(**ended))

    assert rescued() == []
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED


def test_an_attempt_that_was_rescued_and_begun_anew_meanwhile_is_not_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held_job()
    in_between(monkeypatch, lambda: Job.objects.update(attempt=2))

    assert rescued() == []


def test_a_second_rescuer_finds_nothing() -> None:
    held_job()

    assert len(rescued()) == 1
    assert rescued() == []


def test_limit_takes_the_longest_running_first() -> None:
    held_job()
    oldest = held_job(started_at=EARLIER - timedelta(hours=1))

    (entry,) = rescued(limit=1)

    assert entry.job_id == oldest.id


def test_one_rescue_is_two_reads_and_four_statements_a_job(budget: Budget) -> None:
    held_job()

    with budget(6):
        rescued()


def test_nothing_to_rescue_is_one_statement(budget: Budget) -> None:
    with budget(1):
        rescued()


@pytest.mark.parametrize(("silent_for", "lost"), [(24, False), (40, True)])
def test_by_default_the_databases_clock_and_the_projects_patience_hold(
    silent_for: int,
    lost: bool,  # noqa: FBT001
) -> None:
    held_job(seen=timezone.now() - timedelta(seconds=silent_for))

    assert bool(rescue_lost()) is lost


def test_when_silence_is_not_judged_only_those_who_said_goodbye_are_dead() -> None:
    held_job()
    running_job(worker_id=uuid4())
    left = running_job(worker_id=worker(seen=NOON, stopped_at=NOON).id)

    assert [entry.job_id for entry in rescued(judging_silence=False)] == [left.id]


def test_a_rescuer_whose_clock_is_ahead_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    held_job(seen=timezone.now())
    monkeypatch.setattr(timezone, "now", lambda: LATER)

    assert rescue_lost() == []


def test_the_run_of_a_running_job_can_be_told_from_its_row() -> None:
    job = held_job(trigger="operator")

    run = run_of(job)

    assert (run.job_id, run.number, run.started_at) == (job.id, 1, EARLIER)
    assert (run.hostname, run.pid, run.trigger) == ("w1@host", 4711, "operator")


def test_a_loss_can_be_noticed_by_the_worker_itself() -> None:
    job = held_job(seen=NOON)

    entry = lose(job, "its process was killed", now=NOON)

    assert entry is not None
    assert entry.error == "its process was killed"


def test_a_job_asked_to_stop_after_it_was_read_is_cancelled() -> None:
    job = held_job()
    Job.objects.update(cancel_requested_at=EARLIER)

    entry = lose(job, "its process was killed", now=NOON)

    job.refresh_from_db()
    assert entry is not None
    assert entry.state == job.state == State.CANCELLED
