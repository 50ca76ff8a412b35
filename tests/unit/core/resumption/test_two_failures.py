"""Two links of a batch fail at the same time, and one of them is retried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from celery_jobman import batch, chain
from celery_jobman.core import attempts, errands, joins, resumption, retries
from celery_jobman.core.endings import Ending
from celery_jobman.core.faults import Fault
from celery_jobman.models import Batch, Job, Outcome, Role
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.factories import next_run_of
from tests.workflows import audit, deed, did, given_to, trace

if TYPE_CHECKING:
    from celery_jobman.core.endings import Run

pytestmark = pytest.mark.django_db

FAILURE = Ending(outcome=Outcome.FAILED, to=State.FAILED, fault=Fault(error_message="broken"))


def job(name: str) -> Job:
    rows = Job.objects.filter(role=Role.MEMBER)
    return next(each for each in rows if each.arguments[0][-1] == name)


def begun(name: str) -> Run:
    row = job(name)
    run = next_run_of(row, member=joins.member(row))
    assert attempts.claim(run, row.delivery)
    return run


def again(row: Batch) -> Batch:
    audit(row.id)
    run_jobs()
    audit(row.id)
    return Batch.objects.get(pk=row.id)


def both_broken() -> Batch:
    """Return a batch of two chains whose first links failed at the same time.

    The first failure cancelled the second link of both.
    """
    live = batch([chain(deed.si("a"), deed.s("b")), chain(deed.si("c"), deed.s("d"))]).dispatch()
    runs = [begun(name) for name in ("a", "c")]
    for run in runs:
        attempts.finish(run, FAILURE, now=timezone.now())
        for batch_id in errands.outstanding():
            while errands.go_on(batch_id, now=timezone.now()):
                pass
    audit(live.id)
    row: Batch = live.row
    assert (row.state, row.failed, row.cancelled + row.skipped) == ("failed", 2, 2)
    trace.clear()
    return row


def test_of_two_failures_one_can_be_retried_alone() -> None:
    row = both_broken()

    retries.retry(job("a").id, now=timezone.now())

    finished = again(row)
    assert did() == ["a", "b"]
    assert (finished.state, finished.succeeded, finished.failed) == ("failed", 2, 1)
    assert job("d").stopped_by == job("c").id


def test_what_the_first_failure_had_stopped_goes_on_with_the_other_one() -> None:
    row = both_broken()
    retries.retry(job("a").id, now=timezone.now())
    again(row)
    trace.clear()

    retries.retry(job("c").id, now=timezone.now())

    assert again(row).state == "succeeded"
    assert did() == ["c", "d"]
    assert given_to("d") == ["c"]


def test_both_failures_are_retried_together() -> None:
    row = both_broken()

    assert resumption.retry(row.id, now=timezone.now()).again_count == 2

    assert again(row).state == "succeeded"
    assert sorted(did()) == ["a", "b", "c", "d"]
