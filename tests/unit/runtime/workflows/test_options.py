"""Every option that a signature may carry, wherever in a workflow it stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import celery
import pytest
from django.utils import timezone

from celery_jobman import batch, chain, chord, group
from celery_jobman.exceptions import OptionRefused
from celery_jobman.models import Batch, Job
from celery_jobman.testing import run_jobs
from tests.celery_app import app
from tests.workflows import audit, broken, deed, did, note

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

LATER = datetime(2190, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def kept(job: Job) -> dict[str, Any]:
    return json.loads(job.message)  # type: ignore[no-any-return]


def begins_late(job: Job) -> bool:
    return (job.delay or job.available_at - job.created_at) >= HOUR  # type: ignore[operator]


def expires_late(job: Job) -> bool:
    left = job.expires_after or job.expires_at - job.created_at  # type: ignore[operator]
    return HOUR <= left < 2 * HOUR


#: What is set, and how it is seen in the row of the job.
OPTIONS: dict[str, tuple[dict[str, Any], Callable[[Job], Any]]] = {
    "countdown": ({"countdown": 3600}, begins_late),
    "eta": ({"eta": LATER}, lambda job: job.available_at == LATER),
    "eta as text": ({"eta": LATER.isoformat()}, lambda job: job.available_at == LATER),
    "expires": ({"expires": LATER}, lambda job: job.expires_at == LATER),
    "relative expires": ({"expires": 3600}, expires_late),
    "priority": ({"priority": 7}, lambda job: job.priority == 7),
    "queue": ({"queue": "own"}, lambda job: job.queue == "own"),
    "routing": (
        {"exchange": "e", "routing_key": "k"},
        lambda job: (kept(job)["exchange"], kept(job)["routing_key"]) == ("e", "k"),
    ),
    "serializer": ({"serializer": "yaml"}, lambda job: kept(job)["serializer"] == "yaml"),
    "compression": ({"compression": "zlib"}, lambda job: kept(job)["compression"] == "zlib"),
    "headers": ({"headers": {"a": 1}}, lambda job: kept(job)["headers"] == {"a": 1}),
    "time_limit": ({"time_limit": 60}, lambda job: kept(job)["time_limit"] == 60),
    "soft_time_limit": ({"soft_time_limit": 5}, lambda job: kept(job)["soft_time_limit"] == 5),
    "ignore_result": ({"ignore_result": True}, lambda job: kept(job)["ignore_result"] is True),
    "shadow": ({"shadow": "Shown"}, lambda job: job.label == "Shown"),
    "link_error": ({"link_error": [note.si("e")]}, lambda job: len(kept(job)["link_error"]) == 1),
    "stamps": (
        {"stamped_headers": ["who"], "who": "me"},
        lambda job: (kept(job)["stamped_headers"], kept(job)["who"]) == (["who"], "me"),
    ),
    "tags": ({"tags": ["t"]}, lambda job: job.tags == ["t"]),
    "attribs": ({"attribs": {"a": 1}}, lambda job: job.attribs == {"a": 1}),
}

#: Options that a flow does not hand on to its members.
OWN: dict[str, tuple[dict[str, Any], Callable[[Job], Any]]] = {
    "link": ({"link": [note.si("l")]}, lambda job: len(kept(job)["link"]) == 1),
    "task_id": ({"task_id": "mine"}, lambda job: job.task_id == "mine"),
    "allow_failure": ({"allow_failure": True}, lambda job: job.allow_failure),
}

A, B, X = deed.si("a"), deed.si("b"), deed.si("x")

MEMBERS: dict[str, Callable[[Any], Any]] = {
    "first link": lambda x: chain(x, A),
    "later link": lambda x: chain(A, x, B),
    "body": lambda x: chord([A, B], x),
    "member of a group": lambda x: group(A, x),
    "member of a later group": lambda x: chain(A, group(B, x)),
    "link in a later group": lambda x: chain(A, group(B, chain(B, x))),
    "member of a batch in a batch": lambda x: batch([A, batch([x])]),
    "in a chain of Celery's": lambda x: batch([celery.chain(A, x)]),
    "in a chord of Celery's": lambda x: batch([celery.chord([A, x], B)]),
    "body of a chord of Celery's": lambda x: batch([celery.chord([A, B], x)]),
}
CALLBACKS: dict[str, Callable[[Any], Any]] = {
    "then": lambda x: batch([A]).then(x),
    "catch": lambda x: batch([deed.si("broken")]).catch(x),
    "finally": lambda x: batch([A]).finally_(x),
    "progress": lambda x: batch([A]).on_progress(x),
    "then of a later batch": lambda x: chain(A, batch([B]).then(x)),
    "then of a batch in a batch": lambda x: batch([A, batch([B]).then(x)]),
}


def inherited(make: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda options: make().set(**options)


FLOWS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a chain": inherited(lambda: chain(X)),
    "a group": inherited(lambda: group(X)),
    "a batch in a batch": lambda options: batch([A, batch([X]).set(**options)]),
    "a later group": lambda options: chain(A, group(X, B).set(**options)),
    "a later chain": lambda options: chain(A, chain(X, B).set(**options)),
    "a chain in a later group": lambda options: chain(A, group(chain(X), B).set(**options)),
    "a later group of Celery's": lambda options: chain(A, celery.group(X, B).set(**options)),
    "a group of Celery's": lambda options: group(celery.group(X, B).set(**options)),
    "a group of Celery's as a header": lambda options: chord(celery.group(X).set(**options), B),
    "a group of Celery's in a group of Celery's": lambda options: chain(
        celery.group(celery.group(X, A).set(**options), B)
    ),
    "a chain of Celery's": lambda options: batch([celery.chain(X, B).set(**options)]),
    "a chord of Celery's": lambda options: batch([celery.chord([X, A], B).set(**options)]),
}


def dispatched(flow: Any) -> Job:
    live = flow.dispatch()
    audit(live.id)
    (found,) = (job for job in Job.objects.all() if job.arguments[0][-1:] == ["x"])
    return found


@pytest.mark.parametrize("option", [*OPTIONS, *OWN])
@pytest.mark.parametrize("place", MEMBERS)
def test_an_option_of_a_member_is_kept(option: str, place: str) -> None:
    options, is_kept = {**OPTIONS, **OWN}[option]

    job = dispatched(MEMBERS[place](X.clone().set(**options)))

    assert is_kept(job)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("whole", FLOWS)
def test_an_option_of_a_flow_is_kept_with_its_members(option: str, whole: str) -> None:
    options, is_kept = OPTIONS[option]

    job = dispatched(FLOWS[whole](options))

    assert is_kept(job)


@pytest.mark.parametrize("option", [*OPTIONS, "link"])
@pytest.mark.parametrize("place", CALLBACKS)
def test_an_option_of_a_callback_is_kept(option: str, place: str) -> None:
    options, is_kept = {**OPTIONS, **OWN}[option]
    broken.add("broken")
    callback = deed.si("x").set(**options)
    CALLBACKS[place](callback).dispatch()

    run_jobs()

    found = [job for job in Job.objects.all() if job.arguments[0][-1:] == ["x"]]
    assert found
    assert all(is_kept(job) for job in found)


def test_a_callback_that_is_put_off_waits() -> None:
    live = batch([A]).then(X.clone().set(countdown=3600)).dispatch()

    run_jobs()

    job = Job.objects.get(role="then")
    assert (live.row.state, job.state, did()) == ("succeeded", "scheduled", ["a"])
    assert job.available_at is not None
    assert job.available_at > timezone.now() + timedelta(minutes=59)


@pytest.mark.parametrize("place", ["later link", "body", "member of a later group"])
def test_a_relative_expiry_counts_from_when_the_member_may_begin(place: str) -> None:
    member = X.clone().set(expires=60, countdown=5)
    job = dispatched(MEMBERS[place](member))
    assert (job.state, job.expires_at) == ("blocked", None)
    Batch.objects.update(created_at=timezone.now() - HOUR)

    run_jobs()

    job.refresh_from_db()
    assert job.available_at is not None
    assert job.expires_at is not None
    assert job.expires_at - job.available_at == timedelta(seconds=55)


def test_a_later_flow_that_is_put_off_waits_after_its_release() -> None:
    flow = chain(A, group(X, chain(B, A)).set(countdown=3600))
    flow.dispatch()

    run_jobs()

    states = [job.state for job in Job.objects.order_by("id")]
    assert did() == ["a"]
    assert states == ["succeeded", "scheduled", "scheduled", "blocked"]


def test_delays_of_flows_in_flows_add_up() -> None:
    inner = chain(X).set(countdown=60)

    job = dispatched(chain(A, group(inner, B).set(countdown=60)))

    assert job.delay == timedelta(minutes=2)


@pytest.mark.parametrize("name", ["task_id", "allow_failure"])
def test_an_option_without_a_meaning_for_a_callback_is_refused(name: str) -> None:
    callback = X.clone().set(**{name: "mine"})

    with pytest.raises(OptionRefused, match=f"the option {name} is"):
        batch([A]).then(callback)


@pytest.mark.parametrize(
    "options",
    [
        {"task_id": "one"}, {"link": A}, {"args": (1,)}, {"kwargs": {"x": 1}}, {"producer": 1},
        {"connection": 1}, {"after_commit": False}, {"chord": B},
    ],
)  # fmt: skip
def test_an_option_without_a_meaning_for_a_flow_is_refused(options: dict[str, Any]) -> None:
    (name,) = options
    flow = group(A)

    with pytest.raises(OptionRefused, match=f"the option {name} is"):
        flow.set(**options)

    assert not Job.objects.exists()


@pytest.mark.parametrize("options", [{"producer": 1}, {"after_commit": False}, {"chord": B}])
def test_an_option_without_a_meaning_for_a_member_is_refused(options: dict[str, Any]) -> None:
    (name,) = options
    flow = chain(A, X.clone().set(**options))

    with pytest.raises(OptionRefused, match=f"the option {name} is"):
        flow.dispatch()

    assert not Job.objects.exists()


def test_the_countdown_of_a_later_flow_wins_over_its_eta() -> None:
    job = dispatched(chain(A, group(X).set(eta=LATER, countdown=60)))

    assert (job.delay, job.available_at) == (timedelta(seconds=60), None)


@pytest.mark.parametrize("option", ["queue", "priority", "headers", "time_limit"])
@pytest.mark.parametrize("whole", FLOWS)
def test_an_option_of_a_member_wins_over_that_of_the_flow(option: str, whole: str) -> None:
    others = {"queue": "other", "priority": 1, "headers": {"h": "other"}, "time_limit": 1}
    options, is_kept = OPTIONS[option]
    flow = FLOWS[whole]

    with patch(f"{__name__}.X", X.clone().set(**options)):
        job = dispatched(flow({option: others[option]}))

    assert is_kept(job)


def test_callbacks_of_celerys_own_canvas_are_called_once() -> None:
    linked = celery.chain(A, B)
    linked.link(note.si("linked"))

    batch([linked]).dispatch()
    run_jobs()

    assert did() == ["a", "b", "linked"]


def test_the_options_of_a_flow_reach_its_callbacks_in_whatever_flow_it_is() -> None:
    batch([batch([A]).then(X)], queue="slow", tags=["outer"]).dispatch()

    run_jobs()

    job = Job.objects.get(role="then")
    assert (job.queue, job.tags) == ("slow", ["outer"])


def test_a_queue_of_kombu_is_kept_for_members_that_are_added() -> None:
    queue = app.amqp.queues.new_missing("own")
    live = batch([A]).set(queue=queue).dispatch()

    live.add([X])

    assert set(Job.objects.values_list("queue", flat=True)) == {"own"}
