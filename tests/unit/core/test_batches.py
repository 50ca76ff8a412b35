from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.core import batches
from celery_jobman.core.hints import hints
from celery_jobman.exceptions import (
    BatchClosed,
    BatchNotFound,
    DatabaseUnwritable,
    TransitionRefused,
)
from celery_jobman.models import Batch, Job, JobAction
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import NOON, batch, unsaved_job

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


def root() -> Batch:
    row = Batch(state=State.RUNNING)
    row.root_id = row.id
    return row


def members(row: Batch, number: int) -> Iterator[Job]:
    for position in range(number):
        yield unsaved_job(
            state=State.SCHEDULED, available_at=NOON, batch_id=row.id, position=position
        )


def test_a_batch_is_written_with_its_members() -> None:
    row = root()

    batches.enqueue(row, members(row, 3), now=NOON)

    assert (row.total, row.pending, row.started_at) == (3, 3, NOON)
    assert Job.objects.filter(batch_id=row.id, created_at=NOON).count() == 3


def test_rows_are_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK", 2)
    row = root()
    written: list[int] = []

    def watched() -> Iterator[Job]:
        for job in members(row, 5):
            written.append(Job.objects.count())
            yield job

    batches.enqueue(row, watched(), now=NOON)

    assert written == [0, 0, 2, 2, 4]
    assert row.total == 5


def test_a_row_that_cannot_be_made_leaves_nothing_behind() -> None:
    row = root()

    def broken() -> Iterator[Job]:
        yield from members(row, 600)
        raise ValueError("no such recipient")

    with pytest.raises(ValueError, match="no such recipient"):
        batches.enqueue(row, broken(), now=NOON)

    assert not Batch.objects.exists()
    assert not Job.objects.exists()


def test_a_row_that_the_database_refuses_leaves_nothing_behind() -> None:
    row = root()
    twice = list(members(row, 1)) * 2

    with pytest.raises(DatabaseUnwritable):
        batches.enqueue(row, twice, now=NOON)

    assert not Batch.objects.exists()


def test_an_empty_batch_is_finished_when_it_is_written() -> None:
    row = root()

    batches.enqueue(row, [], now=NOON)

    row.refresh_from_db()
    assert (row.state, row.finishes) == ("succeeded", 1)


def test_members_are_added_while_it_is_open() -> None:
    row = batch(total=1)

    assert batches.add(row.id, members(row, 2), now=NOON) == 2

    row.refresh_from_db()
    assert (row.total, row.pending) == (3, 3)


@pytest.mark.parametrize(
    ("state", "fields", "word"),
    [
        (State.SUCCEEDED, {"succeeded": 1}, "succeeded"),
        (State.RUNNING, {"total": 1, "stopping": "cancelled"}, "cancelled"),
    ],
)
def test_nothing_is_added_to_a_closed_batch(state: State, fields: Any, word: str) -> None:
    row = batch(state, **fields)

    with pytest.raises(BatchClosed, match=f"is {word}, nothing can be added"):
        batches.add(row.id, members(row, 1), now=NOON)

    assert not Job.objects.exists()


def test_a_batch_that_closes_while_members_are_written_gets_none() -> None:
    row = batch(total=1)

    def late() -> Iterator[Job]:
        yield from members(row, 1)
        Batch.objects.update(pending=0, succeeded=1, state="succeeded", finished_at=NOON)

    with pytest.raises(BatchClosed):
        batches.add(row.id, late(), now=NOON)

    assert not Job.objects.exists()


@pytest.mark.parametrize("reference", ["nonsense", str(uuid7()), uuid7()])
def test_an_unknown_batch_is_not_found(reference: Any) -> None:
    with pytest.raises(BatchNotFound, match=str(reference)):
        batches.find(reference)


def test_a_batch_is_found_by_the_text_of_its_id() -> None:
    row = batch()

    assert batches.find(str(row.id)) == row


def test_a_cancel_marks_the_batch_and_is_audited() -> None:
    row = batch(total=1)

    batches.cancel(row.id, now=NOON, actor="ann", reason="wrong file")

    row.refresh_from_db()
    assert (row.stopping, row.cancel_requested_at) == ("cancelled", NOON)
    action = JobAction.objects.get()
    assert (action.verb, action.job_id, action.reason) == ("cancel batch", row.id, "wrong file")


def test_a_second_cancel_changes_nothing() -> None:
    row = batch(total=1)

    batches.cancel(row.id, now=NOON)
    batches.cancel(row.id, now=NOON)

    assert JobAction.objects.count() == 1


def test_a_finished_batch_is_not_cancelled() -> None:
    row = batch(State.SUCCEEDED, succeeded=1)

    with pytest.raises(TransitionRefused, match=r"batch .* is succeeded and cannot be cancelled"):
        batches.cancel(row.id, now=NOON)


def test_asking_again_goes_on_with_a_cancel(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(hints, "errand", told.append)
    row = batch(total=1)

    with django_capture_on_commit_callbacks(execute=True):
        batches.cancel(row.id, now=NOON)
        batches.cancel(row.id, now=NOON)

    assert told == [row.id, row.id]
