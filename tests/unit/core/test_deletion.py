from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from celery_jobman import batch, chain, group
from celery_jobman.core import attempts, hints, rescue, resumption, retries
from celery_jobman.core.endings import Ending
from celery_jobman.exceptions import BatchNotFound, ClaimLost, JobNotFound
from celery_jobman.models import Attempt, Batch, Job, LogLine, Outcome, Role, Step
from celery_jobman.runtime.workflows import live
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.canvas import chain_of
from tests.canvas import states as all_states
from tests.factories import (
    NOON,
    attempt,
    checkpoint,
    finished_job,
    job_in,
    log_line,
    queued_job,
    run_of,
    running_job,
)
from tests.workflows import broken, deed, did, given_to, note, states

if TYPE_CHECKING:
    from celery_jobman.runtime.workflows.live import LiveBatch
    from tests.unit.conftest import Budget

pytestmark = pytest.mark.django_db

#: How far a job is when it is deleted.
STANDS = ["waits", "queued", "running", "succeeded", "failed"]


def job_of(name: str) -> Job:
    return next(job for job in Job.objects.order_by("id") if job.arguments[0][-1] == name)


def bring(name: str, stands: str) -> Job:
    """Bring a job as far as that; what it follows runs before it, if it has to."""
    job = job_of(name)
    if stands == "waits":
        return job
    if job.state == State.BLOCKED:
        before = Job.objects.get(next_id=job.id)
        bring(before.arguments[0][-1], "succeeded")
    Job.objects.filter(pk=job.id).update(state=State.QUEUED, queued_at=NOON)
    if stands == "queued":
        return job_of(name)
    running = {"state": State.RUNNING, "attempt": 1, "started_at": NOON}
    Job.objects.filter(pk=job.id).update(**running)
    if stands != "running":
        job, to = job_of(name), State(stands)
        ending = Ending(outcome=Outcome(stands), to=to, changes={"result": f'"{name}"'})
        attempts.finish(rescue.run_of(job), ending, now=timezone.now())
    return job_of(name)


def check_books(flow: LiveBatch, gone: Counter[str]) -> None:
    """Let everything come to an end, and count."""
    run_jobs()

    assert not Job.objects.unfinished().exists()
    assert not Batch.objects.unfinished().exists()
    row = flow.row
    ends = Counter(Job.objects.members_of(row.id).values_list("state", flat=True)) + gone
    ends.update(Batch.objects.filter(batch_id=row.id).values_list("state", flat=True))
    counts = {name: getattr(row, name) for name in ("succeeded", "failed", "cancelled", "skipped")}
    assert counts == {name: ends[name] for name in counts}
    assert (row.total, row.pending) == (sum(counts.values()), 0)
    assert Job.objects.filter(role=Role.FINALLY, batch_id=row.id).count() == row.finishes == 1


def end_of(stands: str) -> str:
    return stands if stands in {"succeeded", "failed"} else "cancelled"


@pytest.mark.parametrize("stands", STANDS)
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_link_that_is_deleted_leaves_nothing_waiting(name: str, stands: str) -> None:
    flow = batch([[deed.s("a"), deed.s("b"), deed.s("c")]]).finally_(note.si("f")).dispatch()
    job = bring(name, stands)

    job.delete()

    check_books(flow, Counter([end_of(stands)]))
    found = states(flow.id)
    later = [found[each] for each in "abc" if each > name and each in found]
    assert set(later) <= {"succeeded" if stands == "succeeded" else "skipped"}


@pytest.mark.parametrize("stands", STANDS)
def test_a_member_that_is_deleted_is_counted(stands: str) -> None:
    members = [deed.si(each) for each in "abc"]
    flow = batch(members, allow_failures=True).then(note.si("t")).finally_(note.si("f")).dispatch()

    bring("b", stands).delete()

    check_books(flow, Counter([end_of(stands)]))
    assert {states(flow.id)[each] for each in "ac"} == {"succeeded"}
    assert flow.row.state == ("cancelled" if end_of(stands) == "cancelled" else "succeeded")


@pytest.mark.parametrize("stands", STANDS)
@pytest.mark.parametrize("whole", [False, True])
def test_a_batch_that_is_deleted_ends_in_the_one_around_it(stands: str, *, whole: bool) -> None:
    inner = batch([deed.si("x"), group([deed.si("y"), deed.si("z")])]).finally_(note.si("inner"))
    flow = batch([[inner, deed.si("after")], deed.si("beside")], allow_failures=True)
    root = flow.finally_(note.si("f")).dispatch()
    bring("x", stands)
    row = Batch.objects.get(batch_id=root.id)
    also = list(Batch.objects.filter(batch_id=row.id).values_list("pk", flat=True))
    chosen = Batch.objects.filter(pk__in=[row.id, *(also if whole else ())])

    chosen.delete()

    check_books(root, Counter(["cancelled"]))
    found = all_states()
    assert (found["beside"], found["after"]) == ("succeeded", "skipped")
    assert (found["x"], found["y"], found["z"]) == (end_of(stands), "cancelled", "cancelled")
    assert Job.objects.filter(role=Role.FINALLY, batch_id=row.id).count() == 1
    assert root.row.state == "cancelled"


def test_a_whole_workflow_that_is_deleted_is_stopped() -> None:
    flow = batch([[deed.s("a"), deed.s("b")], group([deed.si("c")])]).finally_(note.si("f"))
    root = flow.dispatch()
    bring("a", "running")

    root.row.delete()
    run_jobs()

    assert set(Job.objects.filter(role="").values_list("state", flat=True)) == {"cancelled"}
    assert did() == ["f"]
    assert set(Batch.objects.values_list("state", flat=True)) == {"cancelled"}


def test_a_batch_whose_rows_were_deleted_by_sql_ends_when_it_is_deleted() -> None:
    inner = group([deed.si("x"), deed.si("y")])
    root = batch([[inner, deed.si("after")]]).finally_(note.si("f")).dispatch()
    job = job_of("x")
    Job.objects.filter(pk=job.id)._raw_delete(Job.objects.db)

    Batch.objects.get(batch_id=root.id).delete()

    check_books(root, Counter(["cancelled"]))


@pytest.mark.parametrize(
    ("name", "stands"),
    [
        *(("a", stands) for stands in ("waits", "queued", "running", "failed")),
        ("b", "waits"),
        ("c", "waits"),
    ],
)
def test_a_link_of_celerys_own_chain_that_is_deleted_leaves_nothing_waiting(
    name: str, stands: str
) -> None:
    chain_of("a", "b", "c")

    bring(name, stands).delete()

    run_jobs()

    assert not Job.objects.unfinished().exists()


@pytest.mark.parametrize("state", sorted(State))
def test_a_job_that_stands_alone_is_deleted_with_all_it_has(state: State) -> None:
    job = job_in(state)
    other = job_in(state)
    for row in (job, other):
        attempt(row, number=7)
        checkpoint(row, "load")
        log_line(row)

    job.delete()

    assert Job.objects.get() == other
    for model in (Attempt, Step, LogLine):
        assert {row.job_id for row in model.objects.all()} == {other.id}


def test_a_job_that_is_deleted_while_it_runs_is_taken_from_its_process() -> None:
    job = running_job()
    ending = Ending(outcome=Outcome.SUCCEEDED, to=State.SUCCEEDED)

    Job.objects.filter(pk=job.id).delete()

    with pytest.raises(ClaimLost):
        attempts.cancel_requested(job.id, 1)
    with pytest.raises(ClaimLost):
        attempts.finish(run_of(job), ending, now=NOON)
    assert not Attempt.objects.exists()


def test_the_row_counts_and_not_the_object_that_is_deleted() -> None:
    flow = batch([deed.si("a")]).finally_(note.si("f")).dispatch()
    stale = job_of("a")
    run_jobs()

    stale.delete()

    assert (flow.row.state, flow.row.succeeded, flow.row.cancelled) == ("succeeded", 1, 0)


def test_a_delete_that_is_rolled_back_has_cancelled_nothing() -> None:
    flow = batch([[deed.s("a"), deed.s("b")]]).dispatch()

    with transaction.atomic():
        job_of("a").delete()
        transaction.set_rollback(True)

    assert states(flow.id) == {"a": "scheduled", "b": "blocked"}


def test_celery_is_told_after_the_commit(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(hints.hints, "gone", lambda job: told.append(job.task_id))
    waiting, ended = queued_job(), finished_job()

    with django_capture_on_commit_callbacks(execute=True):
        Job.objects.all().delete()
        assert told == []

    assert told == [waiting.task_id]
    assert ended.task_id not in told


def test_many_jobs_that_have_ended_are_deleted_by_few_statements_each(budget: Budget) -> None:
    for _ in range(10):
        finished_job()

    with budget(10 * 2 + 5):
        Job.objects.all().delete()


# What is left can be asked and retried.


@pytest.mark.parametrize("scope", ["failed", "following", "all"])
@pytest.mark.parametrize("name", ["a", "b", "d"])
def test_a_workflow_is_retried_without_a_link_that_was_deleted(name: str, scope: str) -> None:
    broken.add("c")
    flow = batch([[deed.s(each) for each in "abcd"]]).dispatch()
    run_jobs()
    job_of(name).delete()
    broken.clear()

    resumption.retry(flow.id, scope, now=timezone.now())
    run_jobs()

    assert set(states(flow.id).values()) == {"succeeded"}
    assert given_to("c") == ["b"]
    if name != "d":
        assert given_to("d") == ["c"]


def test_what_followed_a_link_that_never_ran_follows_the_one_before_it() -> None:
    broken.add("a")
    flow = batch([[deed.s(each) for each in "abc"]]).dispatch()
    run_jobs()
    job_of("b").delete()
    broken.clear()

    resumption.retry(flow.id, now=timezone.now())

    assert states(flow.id) == {"a": "scheduled", "c": "blocked"}
    run_jobs()
    assert given_to("c") == ["a"]


def test_a_link_is_retried_alone_whose_predecessor_was_deleted_while_it_waited() -> None:
    flow = batch([[deed.s(each) for each in "abc"]]).dispatch()
    job_of("b").delete()
    run_jobs()

    retries.retry(job_of("c").id, now=timezone.now())
    run_jobs()

    assert states(flow.id) == {"a": "succeeded", "c": "succeeded"}


def test_from_a_link_on_goes_as_far_as_the_chain_is_whole() -> None:
    flow = batch([[deed.s(each) for each in "abcd"]]).dispatch()
    run_jobs()
    job_of("c").delete()

    plan = resumption.retry_from(job_of("a").id, now=timezone.now())

    assert (plan.again_count, plan.waiting_count) == (1, 1)
    run_jobs()
    assert set(states(flow.id).values()) == {"succeeded"}


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_member_is_retried_whose_batch_was_deleted(name: str) -> None:
    flow = batch([[deed.s("a"), deed.s("b")]]).dispatch()
    flow.row.delete()

    retries.retry(job_of(name).id, now=timezone.now())
    run_jobs()

    assert job_of(name).state == "succeeded"
    assert given_to(name) == ([] if name == "a" else [None])
    with pytest.raises(JobNotFound):
        resumption.retry_from(job_of(name).id, now=timezone.now())


def test_a_batch_is_retried_around_which_one_was_deleted() -> None:
    broken.add("x")
    root = batch([group([deed.si("x"), deed.si("y")])]).dispatch()
    run_jobs()
    inner = Batch.objects.get(batch_id=root.id)
    root.row.delete()
    broken.clear()

    resumption.retry(inner.id, "all", now=timezone.now())
    run_jobs()

    inner.refresh_from_db()
    assert (inner.state, inner.succeeded) == ("succeeded", 2)
    with pytest.raises(JobNotFound):
        resumption.retry_from(inner.id, now=timezone.now())


def test_a_batch_that_was_deleted_is_not_found() -> None:
    flow = batch([deed.si("a")]).dispatch()
    flow.row.delete()

    for ask in (flow.status, flow.cancel, flow.retry_failed, lambda: flow.add([deed.si("b")])):
        with pytest.raises(BatchNotFound):
            ask()
    with pytest.raises(BatchNotFound):
        live.find_batch(flow.id)


def test_members_that_are_added_have_no_owner_who_was_deleted() -> None:
    owner = get_user_model().objects.create(username="ann")
    flow = batch([deed.si("a")], owner=owner).dispatch()
    owner.delete()

    assert flow.add([deed.si("b"), chain(deed.si("c"), deed.si("d"))]) == 3

    assert set(Job.objects.values_list("owner_id", flat=True)) == {None}


def test_members_that_are_added_have_the_owner_of_the_batch() -> None:
    owner = get_user_model().objects.create(username="ann")
    flow = batch([deed.si("a")], owner=owner).dispatch()

    flow.add([deed.si("b")])

    assert set(Job.objects.values_list("owner_id", flat=True)) == {owner.pk}
