from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.core import errands, joins
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import NOON, batch, blocked_job, finished_job, job_in, running_job

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


@pytest.fixture
def moments() -> Iterator[Any]:
    return (NOON + timedelta(microseconds=number) for number in count())


def to_the_end(row: Batch, moments: Iterator[Any]) -> int:
    for turns in range(50):
        if not errands.go_on(row.id, now=next(moments)):
            row.refresh_from_db()
            return turns
    raise AssertionError("it never ends")


def states(row: Batch) -> list[str]:
    return list(Job.objects.members_of(row.id).order_by("id").values_list("state", flat=True))


def test_batches_with_something_to_do_are_found() -> None:
    opening = batch(total=1, opening=True)
    stopping = batch(total=1, stopping=Stopping.FAILED)
    batch(total=1)
    batch(State.CANCELLED, cancelled=1, stopping=Stopping.CANCELLED)

    assert errands.outstanding() == [opening.id, stopping.id]


def test_first_links_are_released_with_what_the_batch_is_given(
    moments: Iterator[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "SLICE", 2)
    before = finished_job(State.SUCCEEDED, result="7")
    row = batch(total=4, opening=True, follows_id=before.id)
    first = [blocked_job(batch_id=row.id, takes_result=True) for _ in range(3)]
    blocked_job(batch_id=row.id, follows_id=first[0].id)

    assert to_the_end(row, moments) == 3

    assert states(row) == ["scheduled", "scheduled", "scheduled", "blocked"]
    assert {job.args for job in Job.objects.filter(state="scheduled")} == {"[7]"}
    assert not row.opening


def test_batches_inside_are_opened(moments: Iterator[Any]) -> None:
    row = batch(total=2, opening=True)
    inner = batch(State.BLOCKED, total=1, batch_id=row.id)
    later = batch(State.BLOCKED, total=1, batch_id=row.id, follows_id=inner.id)

    to_the_end(row, moments)

    inner.refresh_from_db()
    later.refresh_from_db()
    assert (inner.state, inner.opening, later.state) == ("running", True, "blocked")


def test_a_batch_without_members_is_closed_when_it_is_opened(moments: Iterator[Any]) -> None:
    row = batch(opening=True)

    to_the_end(row, moments)

    assert row.state == "succeeded"


@pytest.mark.parametrize(
    ("stopping", "to"),
    [("cancelled", "cancelled"), ("failed", "cancelled"), ("skipped", "skipped")],
)
def test_members_that_wait_are_ended(
    stopping: str, to: str, moments: Iterator[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "SLICE", 2)
    cause = uuid7()
    row = batch(total=3, stopping=stopping, stopped_by=cause)
    for _ in range(3):
        blocked_job(batch_id=row.id)

    to_the_end(row, moments)

    assert states(row) == [to] * 3
    assert set(Job.objects.values_list("stopped_by", flat=True)) == {cause}
    assert (row.state, row.pending, getattr(row, to)) == (to, 0, 3)


def test_a_cancelled_batch_asks_what_runs_to_stop(moments: Iterator[Any]) -> None:
    row = batch(total=2, stopping="cancelled")
    job = running_job(batch_id=row.id)
    job_in(State.QUEUED, batch_id=row.id)

    to_the_end(row, moments)

    job.refresh_from_db()
    assert job.cancel_requested_at is not None
    assert (row.state, row.pending) == ("running", 1)


def test_a_cancelled_batch_does_not_wait_for_members_that_are_gone(
    moments: Iterator[Any],
) -> None:
    row = batch(total=3, stopping="cancelled")
    job_in(State.QUEUED, batch_id=row.id)
    last = running_job(batch_id=row.id)

    to_the_end(row, moments)
    waiting = (row.state, row.pending)
    Job.objects.filter(pk=last.pk)._raw_delete(Job.objects.db)
    to_the_end(row, moments)

    assert waiting == ("running", 2)
    assert (row.state, row.pending, row.cancelled) == ("cancelled", 0, 3)


def test_a_batch_that_failed_lets_go_on_what_has_begun(moments: Iterator[Any]) -> None:
    row = batch(total=3, stopping="failed")
    running = running_job(batch_id=row.id)
    job_in(State.SCHEDULED, batch_id=row.id, attempt=1)
    job_in(State.SCHEDULED, batch_id=row.id)

    to_the_end(row, moments)

    running.refresh_from_db()
    assert running.cancel_requested_at is None
    assert states(row) == ["running", "scheduled", "cancelled"]


def test_batches_inside_are_stopped_too(moments: Iterator[Any]) -> None:
    row = batch(total=2, stopping="cancelled", cancel_requested_at=NOON)
    inner = batch(total=1, batch_id=row.id)
    skipping = batch(State.BLOCKED, total=1, batch_id=row.id, stopping="skipped")
    ended = batch(State.SUCCEEDED, succeeded=1, batch_id=row.id)

    to_the_end(row, moments)

    for each in (inner, skipping, ended):
        each.refresh_from_db()
    assert (inner.stopping, inner.cancel_requested_at) == ("cancelled", NOON)
    assert skipping.stopping == "cancelled"
    assert ended.stopping == ""


def test_what_follows_a_batch_inside_is_ended_before_that_batch_could_skip_it(
    moments: Iterator[Any],
) -> None:
    row = batch(total=2, stopping="cancelled")
    inner = batch(total=1, batch_id=row.id)
    blocked_job(batch_id=row.id, follows_id=inner.id)

    errands.go_on(row.id, now=next(moments))

    inner.refresh_from_db()
    assert (states(row), inner.stopping) == (["cancelled"], "")


def test_a_stop_that_a_retry_has_called_off_ends_nobody(
    moments: Iterator[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = batch(total=1, stopping="failed")
    blocked_job(batch_id=row.id)
    counted = joins.count

    def after_a_retry(*args: Any, **more: Any) -> bool:
        Batch.objects.update(stopping="")
        return counted(*args, **more)

    monkeypatch.setattr(joins, "count", after_a_retry)

    errands.go_on(row.id, now=next(moments))

    assert states(row) == ["blocked"]


def test_a_finished_batch_has_no_errands(moments: Iterator[Any]) -> None:
    row = batch(State.CANCELLED, cancelled=1, stopping="cancelled")

    assert not errands.go_on(row.id, now=next(moments))
    assert not errands.go_on(uuid7(), now=next(moments))
