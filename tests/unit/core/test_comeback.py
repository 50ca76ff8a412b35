from __future__ import annotations

from collections import Counter

import pytest
from celery import group

from celery_jobman import actions
from celery_jobman.core import cancellation
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.models import Attempt, Job
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.canvas import chain_of, diamond, job_of, name_of, states
from tests.factories import NOON
from tests.workflows import broken, deed, did, given_to

pytestmark = pytest.mark.django_db


def test_a_retry_of_the_failed_link_lets_the_chain_go_on() -> None:
    chain_of("a", "b", "c", "d")
    broken.add("b")
    run_jobs()
    broken.clear()

    actions.retry(job_of("b").id)
    waiting = states()
    run_jobs()

    assert waiting == {"a": "succeeded", "b": "scheduled", "c": "blocked", "d": "blocked"}
    assert did() == ["a", "b", "b", "c", "d"]
    assert given_to("d") == ["c"]
    assert set(states().values()) == {"succeeded"}
    assert {job_of(name).stopped_by for name in "bcd"} == {None}


def test_a_link_that_is_retried_twice_runs_once_for_each() -> None:
    chain_of("a", "b", "c")
    broken.add("b")
    run_jobs()

    actions.retry(job_of("b").id)
    run_jobs()
    broken.clear()
    actions.retry(job_of("b").id)
    run_jobs()

    assert did() == ["a", "b", "b", "b", "c"]


def test_an_early_link_runs_again_with_all_after_it_and_history_stays() -> None:
    chain_of("a", "b", "c")
    run_jobs()
    first = {name_of(job): job.task_id for job in Job.objects.all()}

    actions.retry(job_of("a").id, confirm_succeeded=True)
    waiting = states()
    run_jobs()

    assert waiting == {"a": "scheduled", "b": "blocked", "c": "blocked"}
    assert did() == ["a", "b", "c"] * 2
    assert Counter(Attempt.objects.values_list("job_id", flat=True)) == {
        job_of(name).id: 2 for name in "abc"
    }
    # An id keeps its first success in most result backends.
    assert all(job_of(name).task_id != first[name] for name in "abc")


def test_a_link_is_not_retried_while_one_after_it_runs() -> None:
    chain_of("a", "b", "c")
    Job.objects.filter(pk=job_of("a").id).update(state="succeeded", attempt=1, finished_at=NOON)
    Job.objects.filter(pk=job_of("b").id).update(state="queued", delivery=1)

    with pytest.raises(TransitionRefused, match="after it is queued: cancel that first"):
        actions.retry(job_of("a").id, confirm_succeeded=True)

    assert states() == {"a": "succeeded", "b": "queued", "c": "blocked"}


def test_a_skipped_link_names_the_one_to_retry() -> None:
    chain_of("a", "b", "c")
    broken.add("a")
    run_jobs()

    with pytest.raises(TransitionRefused) as refused:
        actions.retry(job_of("c").id)

    assert f"it follows {job_of('a').id}, which is failed: retry that one" in str(refused.value)
    assert states() == {"a": "failed", "b": "skipped", "c": "skipped"}


def test_a_cancelled_link_goes_on_from_what_it_would_have_been_given() -> None:
    chain_of("a", "b", "c")
    cancellation.cancel(job_of("b").id, now=NOON)
    run_jobs()

    actions.retry(job_of("b").id)
    waiting = states()
    run_jobs()

    assert waiting == {"a": "succeeded", "b": "scheduled", "c": "blocked"}
    assert given_to("b") == ["a"]
    assert given_to("c") == ["b"]


def test_a_cancelled_link_may_wait_again() -> None:
    chain_of("a", "b", "c")
    cancellation.cancel(job_of("b").id, now=NOON)

    actions.retry(job_of("b").id)
    waiting = states()
    run_jobs()

    assert waiting == {"a": "queued", "b": "blocked", "c": "blocked"}
    assert did() == ["a", "b", "c"]


def test_a_link_that_was_cancelled_by_itself_stays_so_when_an_earlier_one_is_retried() -> None:
    chain_of("a", "b", "c", "d")
    cancellation.cancel(job_of("c").id, now=NOON)
    broken.add("a")
    run_jobs()

    actions.retry(job_of("a").id)

    assert states() == {"a": "scheduled", "b": "blocked", "c": "cancelled", "d": "skipped"}


def test_a_header_that_is_retried_does_not_bring_back_the_body() -> None:
    diamond().delay()
    broken.add("b")
    run_jobs()
    broken.clear()

    actions.retry(job_of("b").id)
    run_jobs()

    assert (job_of("b").state, job_of("d").state, job_of("e").state) == (
        State.SUCCEEDED, State.SKIPPED, State.SKIPPED,
    )  # fmt: skip


def test_a_chord_that_had_begun_is_another_one_for_celery() -> None:
    diamond().delay()
    broken.add("b")
    run_jobs()
    before = {name: job_of(name).task_id for name in "bcde"}
    groups = {job_of(name).group_id for name in "bc"}
    broken.clear()

    actions.retry(job_of("a").id, confirm_succeeded=True)
    waiting = states()
    run_jobs()

    assert waiting == {"a": "scheduled", **dict.fromkeys("bcde", "blocked")}
    again = {name for name in "bcde" if job_of(name).task_id != before[name]}
    assert again == {"b", "c"}
    assert {job_of(name).group_id for name in "bc"}.isdisjoint(groups)
    assert [job_of(name).attempt for name in "bc"] == [2, 2]


def test_links_of_a_header_that_never_ran_are_renamed_with_the_rest() -> None:
    (deed.s("a") | group(deed.s("b") | deed.s("b2"), deed.s("c")) | deed.s("d")).delay()
    broken.add("b")
    run_jobs()
    before = job_of("b2").task_id
    broken.clear()

    actions.retry(job_of("a").id, confirm_succeeded=True)
    run_jobs()

    assert job_of("b2").task_id != before
    assert given_to("b2") == ["b"]
    assert Job.objects.count() == 5
