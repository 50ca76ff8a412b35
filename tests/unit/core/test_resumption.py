"""Retries in workflows: what runs again, what is reused, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from celery_jobman import batch, chain, group
from celery_jobman.core import batches, cancellation, errands, resumption, retries
from celery_jobman.exceptions import BatchNotFound, JobNotFound, TransitionRefused
from celery_jobman.models import Batch, Job, JobAction, Role
from celery_jobman.models.ids import uuid7
from celery_jobman.testing import run_jobs
from tests.factories import LATER, finished_job
from tests.workflows import audit, broken, deed, did, given_to, names, note, states, trace

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.django_db


def ran(flow: Any, *failing: str) -> Batch:
    """Run a flow in which some deeds fail; they are mended afterwards."""
    broken.update(failing)
    live = flow.dispatch()
    run_jobs()
    audit(live.id)
    broken.clear()
    trace.clear()
    row: Batch = live.row
    return row


def again(root_id: UUID) -> Batch:
    audit(root_id)
    run_jobs()
    audit(root_id)
    return Batch.objects.get(pk=root_id)


def job(name: str) -> Job:
    rows = Job.objects.filter(role=Role.MEMBER)
    return next(each for each in rows if each.arguments[0][-1] == name)


def retry(batch_id: UUID, scope: str = "failed", **more: Any) -> resumption.Plan:
    return resumption.retry(batch_id, scope, now=timezone.now(), **more)


NIGHTLY = chain(
    deed.s("a"), group(deed.s("b"), [deed.s("c"), deed.s("d")]), deed.s("e"), name="nightly"
).finally_(note.s("finally"))


def test_what_failed_runs_again_and_what_was_skipped_goes_on() -> None:
    row = ran(NIGHTLY, "c")
    assert set(states(row.id).values()) == {"succeeded", "failed", "skipped"}

    plan = retry(row.id)

    assert names(plan.again) == ["c"]
    assert (plan.again_count, plan.waiting_count, plan.reused_count) == (1, 2, 2)
    assert plan.callbacks == ("finally",)
    assert again(row.id).state == "succeeded"
    assert did() == ["c", "d", "e", "finally"]
    assert given_to("e") == [["b", "d"]]


def test_a_plan_writes_nothing() -> None:
    row = ran(NIGHTLY, "c")
    before = states(row.id)

    plan = resumption.plan(row.id)

    assert plan == retry(row.id)
    assert before != states(row.id)


def test_what_follows_runs_again_even_if_it_succeeded() -> None:
    flow = chain(deed.s("a"), deed.s("b").set(allow_failure=True), deed.s("c"))
    row = ran(flow, "b")
    with pytest.raises(TransitionRefused, match="none of its members has failed"):
        retry(row.id)

    plan = retry(row.id, "following")

    assert (plan.again_count, plan.waiting_count, plan.reused_count) == (1, 1, 1)
    again(row.id)
    assert did() == ["b", "c"]
    assert given_to("c") == ["b"]


def test_everything_can_run_again() -> None:
    row = ran(NIGHTLY)

    retry(row.id, "all")

    assert again(row.id).finishes == 2
    assert sorted(did()) == ["a", "b", "c", "d", "e", "finally"]


def test_a_link_and_everything_after_it_can_run_again() -> None:
    ran(NIGHTLY)

    plan = resumption.retry_from(job("c").id, now=timezone.now())

    assert (plan.again_count, plan.waiting_count, plan.reused_count) == (1, 2, 2)
    again(Batch.objects.roots().get().id)
    assert did() == ["c", "d", "e", "finally"]


def test_a_batch_inside_and_everything_after_it_can_run_again() -> None:
    ran(NIGHTLY)
    inner = Batch.objects.get(kind="group")

    plan = resumption.plan_from(inner.id)
    assert (plan.again_count, plan.waiting_count) == (2, 2)
    resumption.retry_from(inner.id, now=timezone.now())

    again(inner.root_id)
    assert sorted(did()) == ["b", "c", "d", "e", "finally"]
    assert given_to("b") == ["a"]


def test_a_batch_inside_can_be_retried_alone() -> None:
    flow = chain(deed.s("a"), batch([deed.s("b"), deed.s("c")], on_failure="continue"), deed.s("d"))
    row = ran(flow, "b")

    retry(Batch.objects.get(kind="batch").id)

    assert again(row.id).state == "succeeded"
    assert did() == ["b", "d"]


def test_a_member_of_a_cancelled_batch_runs_again_alone() -> None:
    live = batch([deed.s("a"), deed.s("b")]).finally_(note.s("finally")).dispatch()
    live.cancel()
    run_jobs()
    trace.clear()

    retries.retry(job("a").id, now=timezone.now())

    assert again(live.id).state == "cancelled"
    assert did() == ["a", "finally"]


def test_failures_left_behind_keep_the_batch_failed() -> None:
    row = ran(batch([deed.s("a"), deed.s("b")], on_failure="continue"), "a", "b")

    retries.retry(job("a").id, now=timezone.now())

    done = again(row.id)
    assert (done.state, done.succeeded, done.failed) == ("failed", 1, 1)
    assert done.caught


def test_a_retry_that_mends_all_forgets_the_first_failure() -> None:
    row = ran(batch([deed.s("a")]).catch(note.s("catch")), "a")

    retries.retry(job("a").id, now=timezone.now())

    row.refresh_from_db()
    assert (row.caught, row.error_job_id, row.error_message) == (False, None, "")
    broken.add("a")
    again(row.id)
    assert did() == ["a", "catch"]


def test_a_link_whose_predecessor_failed_is_refused() -> None:
    row = ran(chain(deed.s("a"), deed.s("b")), "a")
    before = states(row.id)

    with pytest.raises(TransitionRefused, match=r"it follows .*, which is failed: retry that one"):
        retries.retry(job("b").id, now=timezone.now())

    assert states(row.id) == before
    audit(row.id)


def test_a_workflow_with_live_members_is_not_run_again_as_a_whole() -> None:
    live = batch([deed.s("a")]).dispatch()

    with pytest.raises(TransitionRefused, match="members of it have not ended"):
        retry(live.id, "all")


def test_a_link_with_live_ones_after_it_is_refused() -> None:
    live = chain(deed.s("a"), deed.s("b")).dispatch()

    with pytest.raises(TransitionRefused, match="it has not ended"):
        resumption.retry_from(job("a").id, now=timezone.now())

    assert set(states(live.id).values()) == {"scheduled", "blocked"}


def test_a_batch_that_is_being_cancelled_is_not_retried() -> None:
    broken.add("a")
    live = batch([deed.s("a"), [deed.s("b")]], on_failure="continue").dispatch()
    Job.objects.filter(pk=job("b").id).update(available_at=LATER)
    run_jobs()
    batches.cancel(live.id, now=timezone.now())

    with pytest.raises(TransitionRefused, match="it is being cancelled"):
        retry(live.id)


def test_a_failure_is_retried_while_others_wait() -> None:
    broken.add("a")
    live = batch([deed.s("a"), deed.s("b")], on_failure="continue").dispatch()
    Job.objects.filter(pk=job("b").id).update(available_at=LATER)
    run_jobs()
    broken.clear()

    retry(live.id)

    audit(live.id)
    assert states(live.id) == {"a": "scheduled", "b": "scheduled"}


def test_an_automatic_cancel_on_its_way_is_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "SLICE", 1)
    broken.add("a")
    live = batch([deed.s("a"), deed.s("b"), deed.s("c")]).dispatch()
    first = job("a").id
    monkeypatch.setattr(errands, "outstanding", list)
    Job.objects.exclude(pk=first).update(available_at=LATER)
    run_jobs()
    errands.go_on(live.id, now=timezone.now())
    assert sorted(states(live.id).values()) == ["cancelled", "failed", "scheduled"]

    retries.retry(first, now=timezone.now())

    audit(live.id)
    assert set(states(live.id).values()) == {"scheduled"}
    assert not errands.go_on(live.id, now=timezone.now())


def test_a_second_click_is_refused() -> None:
    row = ran(NIGHTLY, "a")

    retry(row.id, finishes=1)
    again(row.id)

    with pytest.raises(TransitionRefused, match="it has finished since, look again"):
        retry(row.id, "all", finishes=1)


def test_two_retries_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ran(NIGHTLY, "a")
    fresh = retries.fresh

    def be_late(each: Job) -> dict[str, Any]:
        Job.objects.filter(pk=each.id).update(attempt=each.attempt + 1)
        return fresh(each)

    monkeypatch.setattr(retries, "fresh", be_late)

    with pytest.raises(TransitionRefused, match="it has moved on, ask again"):
        retry(row.id)
    audit(row.id)


def test_a_retry_is_audited() -> None:
    row = ran(NIGHTLY, "c")

    retry(row.id, actor="ann", reason="the disk was full")

    action = JobAction.objects.get()
    assert (action.verb, action.job_id, action.actor) == ("retry batch", row.id, "ann")
    assert action.changes == {"scope": "failed", "again": 1, "waiting": 2}


def test_a_batch_that_is_not_there_is_not_found() -> None:
    with pytest.raises(BatchNotFound):
        retry(uuid7())
    with pytest.raises(JobNotFound):
        resumption.plan_from(uuid7())
    with pytest.raises(JobNotFound):
        resumption.plan_from(finished_job().id)


def test_an_unknown_scope_is_refused() -> None:
    row = ran(NIGHTLY, "c")

    with pytest.raises(ValueError, match="some"):
        retry(row.id, "some")


def test_a_link_that_was_cancelled_while_it_waited_is_given_the_result_after_all() -> None:
    live = chain(deed.s("a"), deed.s("b")).dispatch()
    cancellation.cancel(job("b").id, now=timezone.now())
    run_jobs()
    assert live.row.state == "cancelled"

    retries.retry(job("b").id, now=timezone.now())

    again(live.id)
    assert given_to("b") == ["a"]


def test_a_link_whose_turn_has_not_come_waits_again() -> None:
    live = chain(deed.s("a"), deed.s("b")).dispatch()
    cancellation.cancel(job("b").id, now=timezone.now())

    retries.retry(job("b").id, now=timezone.now())

    assert states(live.id) == {"a": "scheduled", "b": "blocked"}
    assert again(live.id).state == "succeeded"


def test_a_link_is_not_run_again_while_what_follows_it_runs() -> None:
    live = chain(deed.s("a"), deed.s("b").set(countdown=60)).dispatch()
    run_jobs()

    with pytest.raises(TransitionRefused, match="which follows it, is scheduled: cancel that"):
        retries.retry(job("a").id, now=timezone.now(), confirm_succeeded=True)

    assert states(live.id) == {"a": "succeeded", "b": "scheduled"}
