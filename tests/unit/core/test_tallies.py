from __future__ import annotations

import pytest

from celery_jobman.core import tallies
from celery_jobman.models import Batch
from celery_jobman.states import State
from tests.factories import begun_batch, member, nested

pytestmark = pytest.mark.django_db


def test_a_batch_is_counted_by_the_rows_of_its_members() -> None:
    batch = begun_batch(total=9)
    for state in (State.SUCCEEDED, State.SUCCEEDED, State.QUEUED, State.BLOCKED, State.CANCELLED):
        member(batch, state)
    member(batch, State.FAILED, allow_failure=True)
    nested(batch, State.SKIPPED)
    member(batch, State.SUCCEEDED, role="then")

    assert tallies.counted(batch.pk) == {
        "succeeded": 2, "failed": 1, "cancelled": 1, "skipped": 1, "excused": 1,
        "pending": 2, "total": 7,
    }  # fmt: skip


def test_wrong_counts_are_replaced() -> None:
    batch = begun_batch(total=3)
    member(batch, State.RUNNING)

    tallies.recount(batch.pk)

    batch.refresh_from_db()
    assert (batch.total, batch.pending) == (1, 1)


def test_the_counts_of_a_finished_batch_are_history() -> None:
    batch = begun_batch(State.SUCCEEDED, total=3)

    tallies.recount(batch.pk)

    assert Batch.objects.get(pk=batch.pk).total == 3
