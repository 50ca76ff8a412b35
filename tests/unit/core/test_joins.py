from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman import signals
from celery_jobman.core import callbacks, joins
from celery_jobman.core.joins import Failure, Member
from celery_jobman.models import Batch, Job, Role
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import NOON, batch, blocked_job, finished_job, unsaved_job

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

KINDS = ("then", "catch", "finally", "progress")


def told() -> str:
    """Return the callbacks of a batch that has one of each kind."""
    template = callbacks.template(unsaved_job())
    return json.dumps({kind: [template] for kind in KINDS})


def member(row: Batch, **fields: Any) -> Member:
    return Member(**{"id": uuid7(), "task": "demo.add", "batch_id": row.id, **fields})


def fired() -> list[str]:
    return list(Job.objects.exclude(role=Role.MEMBER).order_by("id").values_list("role", flat=True))


def counts(row: Batch) -> dict[str, int]:
    row.refresh_from_db()
    names = ("pending", "succeeded", "failed", "cancelled", "skipped", "excused")
    return {name: getattr(row, name) for name in names if getattr(row, name)}


@pytest.mark.parametrize("to", ["succeeded", "failed", "cancelled"])
def test_a_member_that_ended_is_counted(to: str) -> None:
    row = batch(total=3)

    joins.ended(member(row), State(to), now=NOON)

    assert counts(row) == {"pending": 2, to: 1}
    assert row.state == "running"


def test_a_failure_that_is_allowed_is_counted_apart_and_goes_on() -> None:
    row = batch(total=2, callbacks=told())
    after = blocked_job()

    one = member(row, next_id=after.id, allow_failure=True)
    joins.ended(one, State.FAILED, now=NOON)

    assert counts(row) == {"pending": 1, "failed": 1, "excused": 1}
    assert (row.caught, row.stopping, fired()) == (False, "", [])
    after.refresh_from_db()
    assert after.state == "scheduled"


@pytest.mark.parametrize("to", [State.FAILED, State.CANCELLED])
def test_what_follows_a_member_that_did_not_succeed_is_counted_with_it(to: State) -> None:
    row = batch(total=4)
    last = blocked_job()
    after = blocked_job(next_id=last.id)

    joins.ended(member(row, next_id=after.id), to, now=NOON)

    assert counts(row) == {"pending": 1, str(to): 1, "skipped": 2}


def test_the_last_member_closes_the_batch() -> None:
    row = batch(total=1, callbacks=told(), told_at=NOON)

    joins.ended(member(row), State.SUCCEEDED, now=NOON)

    row.refresh_from_db()
    assert (row.state, row.finished_at, row.finishes) == ("succeeded", NOON, 1)
    assert fired() == ["then", "finally", "progress"]


def test_the_first_failure_is_told_once() -> None:
    row = batch(total=3, callbacks=told(), on_failure="continue")
    failure = Failure(job_id=uuid7(), task="demo.add", error_message="broken")

    joins.ended(member(row), State.FAILED, now=NOON, failure=failure)
    joins.ended(member(row), State.FAILED, now=NOON)

    assert fired() == ["catch"]
    row.refresh_from_db()
    assert (row.error_job_id, row.error_message) == (failure.job_id, "broken")
    error = Job.objects.get(role="catch")
    assert error.role == "catch"


def test_one_failure_too_many_stops_what_has_not_started() -> None:
    row = batch(total=3, allow_failures="1")
    cause = member(row)

    joins.ended(member(row), State.FAILED, now=NOON)
    row.refresh_from_db()
    assert row.stopping == ""

    joins.ended(cause, State.FAILED, now=NOON)
    row.refresh_from_db()
    assert (row.stopping, row.stopped_by) == ("failed", cause.id)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"succeeded": 2}, "succeeded"),
        ({"succeeded": 1, "failed": 1}, "failed"),
        ({"succeeded": 1, "failed": 1, "excused": 1}, "succeeded"),
        ({"failed": 2, "allow_failures": "all"}, "succeeded"),
        ({"succeeded": 3, "failed": 1, "allow_failures": "25%"}, "succeeded"),
        ({"succeeded": 4, "failed": 2, "allow_failures": "25%"}, "failed"),
        ({"failed": 1, "skipped": 1, "allow_failures": "1"}, "succeeded"),
        ({"succeeded": 1, "cancelled": 1}, "cancelled"),
        ({"failed": 1, "cancelled": 1}, "failed"),
        ({"cancelled": 2, "stopping": "cancelled"}, "cancelled"),
        ({"failed": 1, "cancelled": 1, "stopping": "cancelled"}, "cancelled"),
        ({"succeeded": 2, "stopping": "cancelled"}, "succeeded"),
        ({"skipped": 2, "stopping": "skipped"}, "skipped"),
        ({}, "succeeded"),
    ],
)
def test_how_a_batch_ends(fields: dict[str, Any], state: str) -> None:
    row = batch(**fields)

    assert joins.close(row.id, now=NOON)

    row.refresh_from_db()
    assert row.state == state


def test_a_batch_with_something_pending_is_not_closed() -> None:
    row = batch(total=1, callbacks=told())

    assert not joins.close(row.id, now=NOON)

    assert fired() == []


def test_a_batch_is_closed_once() -> None:
    row = batch(callbacks=told())

    assert joins.close(row.id, now=NOON)
    assert not joins.close(row.id, now=NOON)

    assert fired() == ["then", "finally"]


@pytest.mark.parametrize("stopping", ["cancelled", "failed"])
def test_a_batch_without_members_that_was_stopped_has_not_succeeded(stopping: str) -> None:
    row = batch(State.BLOCKED, stopping=stopping)

    joins.close(row.id, now=NOON)

    row.refresh_from_db()
    assert row.state == "cancelled"


def test_the_end_of_a_batch_is_the_end_of_a_member() -> None:
    after = blocked_job(takes_result=True)
    outer = batch(total=2)
    inner = batch(kind="group", batch_id=outer.id, next_id=after.id, total=1)
    Job.objects.filter(pk=after.id).update(follows_id=inner.id)
    job = finished_job(State.SUCCEEDED, result="5", batch_id=inner.id, position=0)
    one = joins.member(job)
    assert one is not None

    joins.ended(one, State.SUCCEEDED, now=NOON)

    assert counts(outer) == {"pending": 1, "succeeded": 1}
    after.refresh_from_db()
    assert after.arguments[0] == [[5]]


def test_the_failure_of_a_batch_tells_of_the_job_that_failed() -> None:
    outer = batch(total=2)
    inner = batch(batch_id=outer.id, total=1)
    failure = Failure(job_id=uuid7(), task="demo.add", error_message="broken")

    joins.ended(member(inner), State.FAILED, now=NOON, failure=failure)

    outer.refresh_from_db()
    assert (outer.error_job_id, outer.error_message) == (failure.job_id, "broken")


def test_results_that_are_too_large_to_be_passed_on_fail_the_batch(settings: Any) -> None:
    settings.JOBMAN = {"RESULT_LIMIT": 5}
    after = blocked_job(takes_result=True)
    outer = batch(total=2)
    inner = batch(kind="group", batch_id=outer.id, next_id=after.id)
    finished_job(State.SUCCEEDED, result='"0123"', batch_id=inner.id, position=0)

    joins.close(inner.id, now=NOON)

    inner.refresh_from_db()
    after.refresh_from_db()
    assert (inner.state, after.state) == ("failed", "skipped")
    assert "more than the 5 that are passed on" in inner.error_message


def test_a_callback_is_no_member() -> None:
    row = batch()

    assert joins.member(unsaved_job(batch_id=row.id, role="then")) is None
    assert joins.member(unsaved_job()) is None


def test_nothing_is_counted_where_a_condition_does_not_hold() -> None:
    row = batch(total=1)

    assert not joins.count(row.id, {"cancelled": 1}, now=NOON, at={"stopping": "failed"})

    assert counts(row) == {"pending": 1}


def test_a_finish_is_signalled_after_the_commit(
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    row = batch()
    heard: list[tuple[Any, ...]] = []

    def hear(batch_id: Any, state: str, finishes: int, **_: Any) -> None:
        heard.append((batch_id, state, finishes))

    signals.batch_finished.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            joins.close(row.id, now=NOON)
    finally:
        signals.batch_finished.disconnect(hear)

    assert heard == [(row.id, "succeeded", 1)]
