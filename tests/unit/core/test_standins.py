"""The end of a member that has put another job in its place."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from celery_jobman.core import attempts, hints, joins, moments
from celery_jobman.core.endings import Ending, Run
from celery_jobman.core.standins import StandIn
from celery_jobman.models import Batch, Job, Outcome, Stopping
from celery_jobman.states import State
from tests.factories import EARLIER, NOON, batch, blocked_job, run_of, running_job, unsaved_job

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process is gone."""


def staged(**fields: Any) -> tuple[Batch, Job, Job, Run, Ending]:
    """Return a chain of two, its first link at work, and an end that puts another in its place."""
    row = batch(total=2)
    member = running_job(batch_id=row.id, position=0, **fields)
    after = blocked_job(batch_id=row.id, position=0, follows_id=member.id)
    Job.objects.filter(pk=member.id).update(next_id=after.id)
    member.refresh_from_db()
    place = {"batch_id": row.id, "position": 0, "follows_id": member.id, "next_id": after.id}
    other = unsaved_job(state=State.BLOCKED, **place)
    changes = {"next_id": other.id, "replaced_by": other.id, "completed_code": "replaced"}
    stand_in = StandIn(link_id=other.id, rows=[other])
    ending = Ending(
        outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED, changes=changes, stand_in=stand_in
    )
    return row, member, after, run_of(member, member=joins.member(member)), ending


def test_the_stand_in_begins_and_what_followed_waits_for_it() -> None:
    row, member, after, run, ending = staged()

    attempts.finish(run, ending, now=NOON)

    row.refresh_from_db()
    member.refresh_from_db()
    after.refresh_from_db()
    other = Job.objects.get(pk=ending.changes["replaced_by"])
    assert (member.state, other.state, after.state) == ("succeeded", "scheduled", "blocked")
    assert (member.next_id, other.next_id, after.follows_id) == (other.id, after.id, other.id)
    assert (row.total, row.pending, row.succeeded) == (3, 2, 1)


def test_a_process_that_dies_meanwhile_leaves_the_member_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, member, after, run, ending = staged()

    def die(name: str) -> None:
        if name == "stand-in written":
            raise Killed

    monkeypatch.setattr(moments, "reached", die)
    with pytest.raises(Killed), transaction.atomic():
        attempts.finish(run, ending, now=NOON)

    row.refresh_from_db()
    after.refresh_from_db()
    assert Job.objects.get(pk=member.id).state == "running"
    assert Job.objects.count() == 2
    assert (after.follows_id, row.total, row.pending) == (member.id, 2, 2)


def test_a_member_that_was_asked_to_stop_puts_nothing_in_its_place() -> None:
    row, member, after, run, ending = staged(cancel_requested_at=EARLIER)

    written = attempts.finish(run, ending, now=NOON)

    after.refresh_from_db()
    row.refresh_from_db()
    assert written.to == "cancelled"
    assert (Job.objects.get(pk=member.id).state, after.state) == ("cancelled", "skipped")
    assert (Job.objects.count(), row.state) == (2, "cancelled")


def test_a_stand_in_in_a_batch_that_is_being_stopped_is_ended_with_it(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    row, _, _, run, ending = staged()
    Batch.objects.filter(pk=row.id).update(stopping=Stopping.CANCELLED)
    noted: list[Any] = []
    monkeypatch.setattr(hints.hints, "errand", noted.append)

    with django_capture_on_commit_callbacks(execute=True):
        attempts.finish(run, ending, now=NOON)

    assert noted == [row.id]
