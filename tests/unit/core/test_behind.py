from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from celery import group

from celery_jobman import actions, signals
from celery_jobman.core import behind, cancellation, hints, rescue, schedule
from celery_jobman.models import Job
from celery_jobman.runtime.task import ROW
from celery_jobman.states import State
from celery_jobman.testing import run_jobs
from tests.canvas import chain_of, diamond, job_of, name_of, states
from tests.factories import NOON
from tests.workflows import broken, deed, did, given_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID


pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note of which links Celery's result backend is told, by their deeds."""
    deeds: list[str] = []

    def tell(job_ids: Sequence[UUID]) -> None:
        deeds.extend(name_of(Job.objects.get(pk=each)) for each in job_ids)

    monkeypatch.setattr(hints.hints, "ended", tell)
    return deeds


def _claimed(name: str) -> Job:
    """Return a job that a worker has begun."""
    job = job_of(name)
    Job.objects.filter(pk=job.id).update(state="running", attempt=1, started_at=NOON)
    job.refresh_from_db()
    return job


def test_the_option_has_one_name() -> None:
    assert ROW == behind.KEY


def test_a_failure_skips_the_rest_of_its_chain() -> None:
    chain_of("a", "b", "c", "d")
    broken.add("b")

    run_jobs()

    assert states() == {"a": "succeeded", "b": "failed", "c": "skipped", "d": "skipped"}
    assert {job_of(name).stopped_by for name in "cd"} == {job_of("b").id}


def test_who_skips_tells_the_world(
    django_capture_on_commit_callbacks: Callable[..., Any], told: list[str]
) -> None:
    chain_of("a", "b", "c")
    heard = []

    def hear(**values: Any) -> None:
        heard.append((name_of(Job.objects.get(pk=values["job_id"])), values["state"]))

    broken.add("a")
    signals.job_finished.connect(hear)
    with django_capture_on_commit_callbacks(execute=True):
        run_jobs()
    signals.job_finished.disconnect(hear)

    assert sorted(heard) == [("a", "failed"), ("b", "skipped"), ("c", "skipped")]
    assert told == []  # Celery fails the rest of a chain itself


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_a_link_that_ends_before_it_begins_skips_the_rest(
    end: str, django_capture_on_commit_callbacks: Callable[..., Any], told: list[str]
) -> None:
    chain_of("a", "b", "c")

    with django_capture_on_commit_callbacks(execute=True):
        if end == "cancelled":
            cancellation.cancel(job_of("a").id, now=NOON)
        else:
            schedule.expire(job_of("a").id, now=NOON)

    assert states() == {"a": "cancelled", "b": "skipped", "c": "skipped"}
    assert told == ["b", "c"]


def test_a_lost_link_skips_the_rest() -> None:
    chain_of("a", "b", "c")
    job = _claimed("a")
    job.crashes = 99

    rescue.lose(job, "its worker died", now=NOON)

    assert states() == {"a": "failed", "b": "skipped", "c": "skipped"}


def test_a_link_that_is_stopped_by_force_skips_the_rest() -> None:
    chain_of("a", "b")

    cancellation.stop_by_force(_claimed("a"), now=NOON)

    assert states() == {"a": "cancelled", "b": "skipped"}


def test_a_link_that_waits_can_be_cancelled_and_stops_those_after_it(
    django_capture_on_commit_callbacks: Callable[..., Any], told: list[str]
) -> None:
    chain_of("a", "b", "c", "d")

    with django_capture_on_commit_callbacks(execute=True):
        cancellation.cancel(job_of("c").id, now=NOON)
    run_jobs()

    assert told == ["d"]
    assert did() == ["a", "b"]
    assert states() == {"a": "succeeded", "b": "succeeded", "c": "cancelled", "d": "skipped"}
    assert Job.objects.count() == 4


def test_a_failure_before_a_chord_skips_all_of_it() -> None:
    diamond().delay()
    broken.add("a")

    run_jobs()
    skipped = states()
    actions.retry(job_of("a").id)

    assert skipped == {"a": "failed", **dict.fromkeys("bcde", "skipped")}
    assert states() == {"a": "scheduled", **dict.fromkeys("bcde", "blocked")}


def test_a_failure_in_a_header_skips_the_body_and_what_follows_it() -> None:
    diamond().delay()
    broken.add("b")

    run_jobs()

    assert states() == {
        "a": "succeeded", "b": "failed", "c": "succeeded", "d": "skipped", "e": "skipped",
    }  # fmt: skip


def test_a_body_that_celery_publishes_after_all_runs() -> None:
    diamond().delay()
    broken.add("b")
    run_jobs()
    body = json.loads(job_of("c").message)["chord"]

    deed.app.signature(body).delay(["b", "c"])
    run_jobs()

    assert given_to("d") == [["b", "c"]]
    assert (job_of("d").state, job_of("d").stopped_by) == (State.SUCCEEDED, None)
    assert Job.objects.count() == 5


def test_a_link_that_waits_before_a_group_stops_all_of_it_when_it_is_cancelled() -> None:
    (deed.s("x") | deed.s("a") | group(deed.s("b"), deed.s("c")) | deed.s("d")).delay()

    cancellation.cancel(job_of("a").id, now=NOON)

    assert states() == {"x": "queued", "a": "cancelled", **dict.fromkeys("bcd", "skipped")}


def test_callbacks_wait_too_and_are_skipped_with_a_failure() -> None:
    deed.apply_async(("a",), link=[deed.s("b"), deed.s("c")])
    waiting = states()
    broken.add("a")

    run_jobs()

    assert waiting == {"a": "queued", "b": "blocked", "c": "blocked"}
    assert states() == {"a": "failed", "b": "skipped", "c": "skipped"}


def test_a_link_that_is_called_a_second_time_makes_a_job_of_its_own() -> None:
    chain_of("a", "b")
    (link,) = json.loads(job_of("a").message)["chain"]
    run_jobs()

    deed.app.signature(link).delay("x")

    assert Job.objects.count() == 3
    assert [job.arguments[0] for job in Job.objects.order_by("id")][1:] == [["a", "b"], ["x", "b"]]


def test_a_link_whose_row_is_gone_makes_one() -> None:
    chain_of("a", "b")
    Job.objects.filter(pk=job_of("b").id).delete()

    run_jobs()

    assert did() == ["a", "b"]


def test_many_links_are_skipped_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "SLICE", 2)
    chain_of("a", "b", "c", "d", "e", "f")
    broken.add("a")

    run_jobs()
    skipped = Counter(states().values())
    actions.retry(job_of("a").id)

    assert skipped == {"failed": 1, "skipped": 5}
    assert Counter(states().values()) == {"scheduled": 1, "blocked": 5}


def test_a_fork_of_a_link_that_failed_leaves_the_rest_alone() -> None:
    chain_of("a", "b", "c")
    broken.add("b")
    run_jobs()
    broken.clear()

    fork = actions.fork(job_of("b").id)
    run_jobs()

    assert Job.objects.get(pk=fork).state == State.SUCCEEDED
    ended = Job.objects.exclude(pk=fork).order_by("pk").values_list("state", flat=True)
    assert list(ended) == ["succeeded", "failed", "skipped"]


def test_what_stands_alone_calls_its_callbacks_anew() -> None:
    told = {"task": "told", "args": [{"task_id": "kept"}], "kwargs": {}}
    follows = {**told, "options": {"queue": "slow"}}
    named = {**told, "options": {"queue": "slow", "task_id": "t", "jobman_row": "r"}}
    flow = {"task": "celery.chain", "args": [], "options": {"link": [named]}}
    message = {"link": [{**flow, "kwargs": {"tasks": [named]}}], "link_error": [named]}

    alone = json.loads(behind.alone(json.dumps(message)))

    anew = {**flow, "options": {"link": [follows]}, "kwargs": {"tasks": [follows]}}
    assert alone == {"link": [anew], "link_error": [follows]}
