"""One row's trouble is that row's: it is set aside with its reason, and the others go on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.db import DataError, IntegrityError, OperationalError

from celery_jobman.core import (
    attempts,
    dispatching,
    errands,
    links,
    pruning,
    redelivery,
    rescue,
    schedule,
    transitions,
    troubles,
)
from celery_jobman.core.troubles import SHORTEST
from celery_jobman.exceptions import UnsendableMessage
from celery_jobman.models import Batch, Duty, Job, Stopping, Trouble
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import (
    EARLIER,
    LATER,
    NOON,
    begun_batch,
    finished_job,
    member,
    queued_job,
    running_job,
    scheduled_job,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.django_db

AGAIN = NOON + SHORTEST
Refused = set[UUID]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Let the database refuse to move the jobs with these ids, by whichever statement."""
    ids: Refused = set()
    try_move, move_all = transitions.try_move, transitions.move_all

    def refusing_move(job_id: UUID, *args: Any, **options: Any) -> bool:
        if job_id in ids:
            raise IntegrityError("a constraint of the project")
        return try_move(job_id, *args, **options)

    def refusing_move_all(job_ids: Sequence[UUID], *args: Any, **options: Any) -> list[UUID]:
        if ids & set(job_ids):
            raise IntegrityError("a constraint of the project")
        return move_all(job_ids, *args, **options)

    monkeypatch.setattr(transitions, "try_move", refusing_move)
    monkeypatch.setattr(transitions, "move_all", refusing_move_all)
    return ids


def orphan(**fields: Any) -> Job:
    return running_job(worker_id=uuid7(), **fields)


def state_of(row: Job) -> str:
    return str(Job.objects.values_list("state", flat=True).get(pk=row.pk))


def noted() -> list[tuple[UUID, str, str]]:
    return list(Trouble.objects.values_list("row_id", "duty", "error"))


WHY = "IntegrityError: a constraint of the project"


def test_a_job_that_cannot_be_taken_back_does_not_keep_others_from_it(refused: Refused) -> None:
    bad, good = orphan(), orphan()
    refused.add(bad.id)

    taken = rescue.rescue_lost(now=LATER)

    assert [each.job_id for each in taken] == [good.id]
    assert noted() == [(bad.id, Duty.RESCUE, WHY)]


def test_a_job_that_was_set_aside_is_taken_back_once_that_can_be_done(refused: Refused) -> None:
    bad = orphan()
    refused.add(bad.id)
    rescue.rescue_lost(now=LATER)
    refused.clear()

    early = rescue.rescue_lost(now=LATER)
    in_time = rescue.rescue_lost(now=LATER + SHORTEST)

    assert (early, [each.job_id for each in in_time]) == ([], [bad.id])
    assert not Trouble.objects.exists()


def test_set_aside_jobs_take_no_place_of_those_that_can_be_taken_back(refused: Refused) -> None:
    refused |= {orphan(started_at=EARLIER - timedelta(hours=1)).id for _ in range(3)}
    rescue.rescue_lost(now=LATER)
    good = orphan()

    taken = rescue.rescue_lost(limit=1, now=LATER)

    assert [each.job_id for each in taken] == [good.id]


def test_rescue_waits_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    orphan()

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(attempts, "finish", away)

    with pytest.raises(OperationalError):
        rescue.rescue_lost(now=LATER)
    assert not Trouble.objects.exists()


def take_all(jobs: Sequence[Job]) -> tuple[int, Exception | None]:
    return len(jobs), None


def test_a_job_that_cannot_be_moved_does_not_keep_others_from_being_sent(refused: Refused) -> None:
    jobs = [scheduled_job() for _ in range(4)]
    refused.add(jobs[1].id)

    sent = dispatching.dispatch_due(take_all, now=NOON)

    assert sent == 3
    assert [state_of(job) for job in jobs] == [
        State.QUEUED, State.SCHEDULED, State.QUEUED, State.QUEUED,
    ]  # fmt: skip
    assert noted() == [(jobs[1].id, Duty.DISPATCH, WHY)]


def test_a_job_that_cannot_be_moved_is_left_out_until_its_next_try(refused: Refused) -> None:
    bad = scheduled_job()
    refused.add(bad.id)
    dispatching.dispatch_due(take_all, now=NOON)
    refused.clear()

    early = dispatching.dispatch_due(take_all, now=NOON + SHORTEST / 2)
    in_time = dispatching.dispatch_due(take_all, now=AGAIN)

    assert (early, in_time) == (0, 1)


def test_a_job_that_has_expired_and_cannot_be_cancelled_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = [scheduled_job(expires_at=EARLIER) for _ in range(2)]
    expire = schedule.expire

    def refuse(job_id: UUID, **options: Any) -> bool:
        if job_id == late[0].id:
            raise IntegrityError("a constraint of the project")
        return expire(job_id, **options)

    monkeypatch.setattr(schedule, "expire", refuse)

    dispatching.dispatch_all(Job.objects.due(NOON), take_all, now=NOON)

    assert [state_of(job) for job in late] == [State.SCHEDULED, State.CANCELLED]
    assert noted() == [(late[0].id, Duty.DISPATCH, WHY)]


def unable(bad: Job) -> Callable[[Sequence[Job]], tuple[int, Exception | None]]:
    """Return a publish that can make no message of one job."""

    def publish(jobs: Sequence[Job]) -> tuple[int, Exception | None]:
        for number, job in enumerate(jobs):
            if job.id == bad.id:
                return number, UnsendableMessage(job.task, ValueError("no JSON"))
        return len(jobs), None

    return publish


def test_a_message_that_cannot_be_made_keeps_no_other_from_being_sent() -> None:
    jobs = [scheduled_job(available_at=EARLIER + timedelta(seconds=n)) for n in range(4)]

    sent = dispatching.dispatch_due(unable(jobs[0]), now=NOON)

    bad = Job.objects.get(pk=jobs[0].pk)
    assert sent == 3
    assert (bad.state, bad.available_at) == (State.SCHEDULED, AGAIN)
    assert bad.dispatch_error.startswith(schedule.UNSENDABLE)
    assert Trouble.objects.get().row_id == bad.id


def test_a_message_that_can_be_made_at_last_leaves_no_trouble() -> None:
    job = scheduled_job()
    dispatching.dispatch_due(unable(job), now=NOON)

    dispatching.dispatch_due(take_all, now=AGAIN)

    assert state_of(job) == State.QUEUED
    assert not Trouble.objects.exists()


def test_jobs_without_a_message_do_not_wait_for_the_broker() -> None:
    dispatching.dispatch_due(unable(scheduled_job()), now=NOON)

    assert not schedule.refused().exists()


def test_a_lost_message_that_cannot_be_sent_again_keeps_no_other_from_it(refused: Refused) -> None:
    jobs = [queued_job(queued_at=EARLIER + timedelta(seconds=n)) for n in range(3)]
    refused.add(jobs[0].id)
    sent: list[UUID] = []

    count = redelivery.redeliver(
        "celery", 3, lambda job: sent.append(job.id), now=NOON, after=timedelta(minutes=1)
    )

    assert (count, sent) == (2, [jobs[1].id, jobs[2].id])
    assert noted() == [(jobs[0].id, Duty.REDELIVER, WHY)]


def test_a_job_that_a_worker_could_not_claim_is_offered_again_after_its_pause() -> None:
    job = queued_job(queued_at=EARLIER)
    troubles.note(Duty.BEGIN, job.id, IntegrityError("a constraint"), now=NOON)
    sent: list[UUID] = []

    def redeliver(now: datetime) -> int:
        after = timedelta(minutes=1)
        return redelivery.redeliver("celery", 1, lambda j: sent.append(j.id), now=now, after=after)

    assert (redeliver(NOON), redeliver(AGAIN), sent) == (0, 1, [job.id])


def test_a_lost_message_that_cannot_be_made_again_keeps_no_other_from_it() -> None:
    jobs = [queued_job(queued_at=EARLIER + timedelta(seconds=n)) for n in range(3)]
    sent: list[UUID] = []

    def publish(job: Job) -> None:
        if job.id == jobs[0].id:
            raise UnsendableMessage(job.task, ValueError("no JSON"))
        sent.append(job.id)

    count = redelivery.redeliver("celery", 3, publish, now=NOON, after=timedelta(minutes=1))

    assert (count, sent) == (2, [jobs[1].id, jobs[2].id])
    assert Trouble.objects.get().row_id == jobs[0].id


def stopping() -> Batch:
    return begun_batch(total=3, stopping=Stopping.CANCELLED, cancel_requested_at=NOON)


def go_on(batch: Batch) -> None:
    """Do an errand to its end, as far as it can be done."""
    for number in range(20):
        if not errands.go_on(batch.pk, now=NOON + timedelta(milliseconds=number)):
            return
    raise AssertionError("it goes on for ever")


def test_a_member_that_cannot_be_ended_does_not_keep_others_from_it(refused: Refused) -> None:
    batch = stopping()
    jobs = [member(batch, State.QUEUED) for _ in range(3)]
    refused.add(jobs[0].id)

    go_on(batch)

    batch.refresh_from_db()
    assert [state_of(job) for job in jobs] == [State.QUEUED, State.CANCELLED, State.CANCELLED]
    assert (batch.pending, batch.cancelled) == (1, 2)
    assert noted() == [(jobs[0].id, Duty.CANCEL, WHY)]


def test_the_batch_of_a_member_that_was_set_aside_finishes_once_that_can_be_ended(
    refused: Refused,
) -> None:
    batch = stopping()
    jobs = [member(batch, State.QUEUED) for _ in range(3)]
    refused.add(jobs[0].id)
    go_on(batch)
    refused.clear()

    while errands.go_on(batch.pk, now=LATER):
        pass

    batch.refresh_from_db()
    assert (batch.state, batch.cancelled) == (State.CANCELLED, 3)


def test_a_member_that_cannot_be_released_fails_and_the_others_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = begun_batch(total=3, opening=True, on_failure="continue")
    jobs = [member(batch, State.BLOCKED) for _ in range(3)]
    release = links.release_job

    def overflow(job: Job, *args: Any, **options: Any) -> bool:
        if job.id == jobs[1].id:
            raise OverflowError("date value out of range")
        return release(job, *args, **options)

    monkeypatch.setattr(links, "release_job", overflow)

    go_on(batch)

    assert [state_of(job) for job in jobs] == [State.SCHEDULED, State.FAILED, State.SCHEDULED]


def test_a_job_that_cannot_be_deleted_does_not_keep_others_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [finished_job(finished_at=EARLIER) for _ in range(3)]
    delete = pruning._delete

    def refuse(ids: list[UUID], chosen: Any) -> int:
        if jobs[0].id in ids:
            raise DataError("a foreign key of the project")
        return delete(ids, chosen)

    monkeypatch.setattr(pruning, "_delete", refuse)

    assert pruning.prune(pruning.prunable(NOON), now=LATER) == 2
    assert list(Job.objects.values_list("id", flat=True)) == [jobs[0].id]
    assert noted() == [(jobs[0].id, Duty.PRUNE, "DataError: a foreign key of the project")]


def test_the_troubles_of_a_job_are_deleted_with_it() -> None:
    job = finished_job(finished_at=EARLIER)
    Trouble.objects.create(
        row_id=job.id, duty=Duty.END, error="…", since=NOON, tried_at=NOON, again_at=None
    )

    pruning.prune(pruning.prunable(NOON), now=LATER)

    assert not Trouble.objects.exists()


def test_a_workflow_that_cannot_be_deleted_does_not_keep_others_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches = [begun_batch(State.SUCCEEDED, finished_at=EARLIER) for _ in range(3)]
    delete = pruning._delete_batches

    def refuse(by: str, ids: list[UUID]) -> int:
        if batches[0].id in ids:
            raise DataError("a foreign key of the project")
        return delete(by, ids)

    monkeypatch.setattr(pruning, "_delete_batches", refuse)

    assert pruning.prune_batches(NOON) == 2
    assert list(Batch.objects.values_list("id", flat=True)) == [batches[0].id]
    assert noted() == [(batches[0].id, Duty.PRUNE, "DataError: a foreign key of the project")]


def test_a_job_that_cannot_be_trimmed_does_not_keep_others_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [finished_job(finished_at=EARLIER) for _ in range(3)]
    trim = pruning._trim

    def refuse(ids: list[UUID], *args: Any, **options: Any) -> int:
        if jobs[0].id in ids:
            raise DataError("a trigger of the project")
        return trim(ids, *args, **options)

    monkeypatch.setattr(pruning, "_trim", refuse)

    assert pruning.trim(pruning.prunable(NOON), now=LATER) == 2
    assert noted() == [(jobs[0].id, Duty.PRUNE, "DataError: a trigger of the project")]


def test_a_job_without_a_message_that_cannot_be_put_back_keeps_no_other_from_being_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [scheduled_job(available_at=EARLIER + timedelta(seconds=n)) for n in range(4)]

    def refuse(*_: Any, **__: Any) -> None:
        raise IntegrityError("a constraint of the project")

    monkeypatch.setattr(schedule, "hold", refuse)

    sent = dispatching.dispatch_due(unable(jobs[1]), now=NOON)

    assert sent == 3
    assert (jobs[1].id, Duty.REDELIVER, WHY) in noted()


def test_a_job_that_another_transaction_holds_does_not_keep_others_from_being_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [scheduled_job() for _ in range(3)]
    move_all = transitions.move_all

    def lock(job_ids: Sequence[UUID], *args: Any, **options: Any) -> list[UUID]:
        if jobs[1].id in job_ids:
            raise OperationalError(1205, "Lock wait timeout exceeded")
        return move_all(job_ids, *args, **options)

    monkeypatch.setattr(transitions, "move_all", lock)

    sent = dispatching.dispatch_due(take_all, now=NOON)

    assert sent == 2
    assert [row_id for row_id, _, _ in noted()] == [jobs[1].id]
