from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from celery_jobman.core import hints, links
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from celery_jobman.states import State
from tests.factories import (
    LATER,
    NOON,
    batch,
    blocked_job,
    finished_job,
    linked,
    queued_job,
    unsaved_job,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db


def fresh(row: Any) -> Any:
    row.refresh_from_db()
    return row


def link_after(result: str = "7", **fields: Any) -> Job:
    before = finished_job(State.SUCCEEDED, result=result)
    return blocked_job(follows_id=before.id, **fields)


def test_a_link_that_takes_the_result_is_given_it() -> None:
    job = link_after('{"a": 1}', takes_result=True, args="[2]")

    links.release(job.id, now=NOON)

    assert (fresh(job).state, job.available_at) == ("scheduled", NOON)
    assert (job.args, job.own_args) == ('[{"a": 1}, 2]', "[2]")
    assert job.preview == '{"a": 1}, 2'


def test_a_link_released_again_is_given_the_new_result_only() -> None:
    job = link_after("8", takes_result=True, args="[7, 2]", own_args="[2]")

    links.release(job.id, now=NOON)

    assert fresh(job).args == "[8, 2]"


def test_an_immutable_link_keeps_its_arguments() -> None:
    job = link_after(args="[2]")

    links.release(job.id, now=NOON)

    assert (fresh(job).state, job.args, job.own_args) == ("scheduled", "[2]", None)


def test_a_delay_counts_from_the_release() -> None:
    job = link_after(delay=timedelta(minutes=5))

    links.release(job.id, now=NOON)

    assert fresh(job).available_at == LATER


def test_a_moment_in_the_future_is_waited_for() -> None:
    job = link_after(available_at=LATER)

    links.release(job.id, now=NOON)

    assert fresh(job).available_at == LATER


@pytest.mark.parametrize("state", [State.CANCELLED, State.SKIPPED])
def test_a_link_that_waits_no_more_is_left_alone(state: State) -> None:
    job = finished_job(state)

    links.release(job.id, now=NOON)

    assert fresh(job).state == state


def test_a_batch_is_marked_for_opening() -> None:
    row = batch(State.BLOCKED)

    links.release(row.id, now=NOON)

    assert (fresh(row).state, row.opening, row.started_at) == ("running", True, NOON)


def test_what_follows_a_failed_link_is_skipped_to_the_end() -> None:
    cause = uuid7()
    last = blocked_job()
    inner = batch(State.BLOCKED, total=2, next_id=last.id)
    first = blocked_job(next_id=inner.id)

    assert links.skip(first.id, cause, now=NOON) == 2

    assert [fresh(job).state for job in (first, last)] == ["skipped", "skipped"]
    assert first.stopped_by == last.stopped_by == fresh(inner).stopped_by == cause
    assert (inner.state, inner.stopping) == ("blocked", "skipped")


@pytest.mark.parametrize("length", [1, 2, 1200])
def test_many_links_are_skipped_by_few_statements(
    length: int, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(hints, "ended", told.append)
    row = batch(total=length)
    rows = [unsaved_job(state=State.BLOCKED, batch_id=row.id) for _ in range(length)]
    for before, after in pairwise(rows):
        before.next_id, after.follows_id = after.id, before.id
    Job.objects.bulk_create(rows)

    with budget(3 if length < 10 else 15):
        assert links.skip(rows[0].id, uuid7(), now=NOON) == length

    assert Job.objects.members_of(row.id).filter(state=State.SKIPPED).count() == length
    assert told == [[job.id for job in rows]]


def test_links_whose_ids_are_in_no_order_are_skipped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "FEW", 2)
    row = batch(total=6)
    rows = [blocked_job(batch_id=row.id, position=0) for _ in range(6)][::-1]
    linked(*rows)
    others = [blocked_job(batch_id=row.id, position=1) for _ in range(3)]

    assert links.skip(rows[0].id, uuid7(), now=NOON) == 6

    assert {fresh(job).state for job in others} == {"blocked"}


def test_a_link_that_was_cancelled_stays_so() -> None:
    last = blocked_job()
    first = finished_job(State.CANCELLED, next_id=last.id)

    assert links.skip(first.id, uuid7(), now=NOON) == 1

    assert fresh(first).state == "cancelled"


def test_nothing_follows_the_last_link() -> None:
    assert links.skip(None, queued_job().id, now=NOON) == 0
