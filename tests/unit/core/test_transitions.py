from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Q

from celery_jobman.core.statements import Plus
from celery_jobman.core.transitions import hold_batches, move, move_every, refusal, try_move
from celery_jobman.exceptions import JobNotFound, TransitionRefused
from celery_jobman.models import Job
from celery_jobman.states import FINAL, TRANSITIONS, WAITING, State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    batch,
    job_in,
    queued_job,
    running_job,
    scheduled_job,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

#: What the database's constraints want of a row in a state.
NEEDED: dict[State, dict[str, Any]] = {
    State.SCHEDULED: {"available_at": NOON},
    State.RUNNING: {"attempt": 1, "started_at": NOON},
}
EVERY_PAIR = [(here, there) for here in State for there in State]


@pytest.mark.parametrize(("here", "there"), EVERY_PAIR)
def test_a_job_moves_exactly_where_the_machine_allows(here: State, there: State) -> None:
    job = job_in(here)

    moved = try_move(job.id, there, now=LATER, **NEEDED.get(there, {}))

    job.refresh_from_db()
    assert moved is (there in TRANSITIONS[here])
    assert job.state == (there if moved else here)


@pytest.mark.parametrize("final", sorted(FINAL - {State.SKIPPED}))
def test_a_final_move_notes_the_end(final: State) -> None:
    job = running_job()

    try_move(job.id, final, now=NOON)

    job.refresh_from_db()
    assert job.finished_at == NOON


def test_a_move_out_of_a_final_state_clears_the_end() -> None:
    job = job_in(State.FAILED)

    try_move(job.id, State.SCHEDULED, now=LATER, available_at=LATER)

    job.refresh_from_db()
    assert job.finished_at is None


def test_a_move_is_one_statement(budget: Budget) -> None:
    job = running_job()

    with budget(1):
        try_move(job.id, State.SUCCEEDED, now=NOON, at={"attempt": 1}, result='"done"')


def test_a_move_writes_further_columns_and_can_add() -> None:
    job = running_job(failures=2)

    try_move(job.id, State.FAILED, now=NOON, failures=Plus(1), error_message="no stock")

    job.refresh_from_db()
    assert (job.failures, job.error_message) == (3, "no stock")


def test_a_job_that_moved_on_since_it_was_read_is_left_alone() -> None:
    read = running_job()
    Job.objects.filter(pk=read.id).update(attempt=2)

    moved = try_move(read.id, State.SUCCEEDED, now=NOON, at={"attempt": read.attempt})

    read.refresh_from_db()
    assert not moved
    assert read.state == State.RUNNING


def test_fewer_sources_than_the_machine_allows_can_be_named() -> None:
    job = scheduled_job()

    moved = try_move(job.id, State.RUNNING, now=NOON, sources=frozenset({State.QUEUED}))

    assert not moved


def test_sources_cannot_widen_the_machine() -> None:
    job = queued_job()

    moved = try_move(job.id, State.SUCCEEDED, now=NOON, sources=frozenset(State))

    assert not moved


def test_sources_of_which_none_leads_there_move_nothing() -> None:
    job = running_job()

    moved = try_move(job.id, State.BLOCKED, now=NOON, sources=frozenset({State.RUNNING}))

    assert not moved


@pytest.mark.parametrize(("failures", "moved"), [(2, True), (3, False)])
def test_a_guard_says_what_a_value_cannot(failures: int, moved: bool) -> None:  # noqa: FBT001
    job = running_job(failures=failures)

    done = try_move(
        job.id, State.FAILED, now=NOON, guard=Q(failures__lt=3), failures=Plus(1), crashes=Plus(2)
    )

    job.refresh_from_db()
    assert done is moved
    assert (job.failures, job.crashes) == ((3, 2) if moved else (3, 0))


@pytest.mark.parametrize("guard", [None, Q(failures=0)])
def test_a_column_can_be_required_to_be_empty(guard: Q | None) -> None:
    asked = running_job(cancel_requested_at=EARLIER)
    unasked = running_job()
    at = {"cancel_requested_at": None}

    moved = [
        try_move(job.id, State.QUEUED, now=NOON, at=at, guard=guard) for job in (asked, unasked)
    ]

    assert moved == [False, True]


def test_a_job_that_is_gone_is_not_found() -> None:
    with pytest.raises(JobNotFound):
        move(uuid4(), State.CANCELLED, "cancelled", now=NOON)


def test_a_refused_move_says_where_the_job_stands_and_writes_nothing() -> None:
    job = running_job()

    with pytest.raises(TransitionRefused, match=f"job {job.id} is running and cannot be held"):
        move(job.id, State.BLOCKED, "held", now=NOON)
    job.refresh_from_db()
    assert job.state == State.RUNNING


def test_a_move_that_succeeds_returns_nothing() -> None:
    job = queued_job()

    move(job.id, State.CANCELLED, "cancelled", now=NOON, sources=WAITING)

    job.refresh_from_db()
    assert job.state == State.CANCELLED


def test_a_refusal_carries_its_hint() -> None:
    job = queued_job()

    error = refusal(job.id, "retried", "wait for its end")

    assert str(error) == f"job {job.id} is queued and cannot be retried; wait for its end"


def test_a_batch_is_locked_by_its_key_before_it_is_changed_where_an_index_might_come_first(
    django_assert_num_queries: Any,
) -> None:
    row = batch()
    expected = 1 if connection.vendor == "mysql" else 0

    with django_assert_num_queries(expected) as seen:
        hold_batches([row.id])

    assert all("FOR UPDATE" in each["sql"] for each in seen.captured_queries)


def test_many_jobs_move_by_one_statement_each_with_what_is_its_own(budget: Budget) -> None:
    jobs = [queued_job(delivery=4), queued_job(delivery=4)]
    names = {job.id: f"new-{number}" for number, job in enumerate(jobs)}

    with budget(1):
        move_every(
            list(names),
            State.SCHEDULED,
            "retried",
            now=NOON,
            sources=WAITING,
            each={"task_id": names},
            available_at=NOON,
            delivery=Plus(1),
        )

    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.task_id, job.delivery) == (State.SCHEDULED, names[job.id], 5)


@pytest.mark.parametrize("changes", [{"attempt": 2}, {"state": State.BLOCKED}])
def test_of_many_the_one_that_moved_on_is_named(changes: dict[str, Any]) -> None:
    jobs = [queued_job(), queued_job(), queued_job()]
    Job.objects.filter(pk=jobs[1].id).update(**changes)

    with pytest.raises(TransitionRefused, match="cannot be cancelled; ask again") as refused:
        move_every(
            [job.id for job in jobs],
            State.CANCELLED,
            "cancelled",
            now=NOON,
            sources=frozenset({State.QUEUED}),
            at={"attempt": 0},
            hint="ask again",
        )

    assert str(jobs[1].id) in str(refused.value)
