from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from celery import states
from celery.backends.redis import RedisBackend
from celery.exceptions import TaskRevokedError

from celery_jobman.runtime import redis_results, results
from celery_jobman.states import State
from tests.factories import finished_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Task

    from celery_jobman.models import Job

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings(
        "ignore:Call to deprecated setex:DeprecationWarning"
    ),  # Celery's own
]


@pytest.fixture
def backend(app: Celery, redis_url: str) -> Iterator[Any]:
    """Return a result backend whose keys are gone after the test."""
    made = RedisBackend(app=app, url=redis_url)
    prefix = f"{uuid4()}-".encode()
    made.task_keyprefix = prefix
    yield made
    for key in made.client.scan_iter(prefix + b"*"):
        made.client.delete(key)
    made.client.close()


@pytest.fixture
def told(task: Task, backend: Any, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Return a task whose results are kept in Redis."""
    monkeypatch.setattr(type(task), "backend", backend, raising=False)
    return task


def cancelled_jobs(number: int, **fields: Any) -> list[Job]:
    return [finished_job(State.CANCELLED, args="[1]", **fields) for _ in range(number)]


def test_many_jobs_are_revoked_in_two_round_trips(
    told: Task, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = cancelled_jobs(30)
    trips = Mock(side_effect=backend.client.connection_pool.get_connection)
    monkeypatch.setattr(backend.client.connection_pool, "get_connection", trips)

    results.all_cancelled([job.id for job in jobs])

    assert trips.call_count == 2
    for job in jobs:
        assert backend.get_state(job.task_id) == states.REVOKED
        assert isinstance(backend.get_result(job.task_id), TaskRevokedError)
    assert told.name == "demo.add"


@pytest.mark.parametrize("extended", [False, True])
def test_a_result_looks_as_if_celery_had_stored_it(
    *, extended: bool, told: Task, backend: Any, app: Celery
) -> None:
    one, other = cancelled_jobs(2, message='{"group_id": "g1", "parent_id": "p1"}')
    app.conf.result_extended = extended

    results.all_cancelled([one.id])
    results.cancelled(other.id)

    app.conf.result_extended = False
    found, expected = (backend._get_task_meta_for(job.task_id) for job in (one, other))
    for meta in (found, expected):
        meta["result"] = repr(meta["result"])
        del meta["date_done"], meta["task_id"]
    assert found == expected
    assert backend.client.ttl(backend.get_key_for_task(one.task_id)) > 0
    assert told.name == "demo.add"


def test_whoever_waits_is_told(told: Task, backend: Any) -> None:
    (job,) = cancelled_jobs(1)
    with backend.client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(backend.get_key_for_task(job.task_id))
        listener.get_message(timeout=5)

        results.all_cancelled([job.id])

        heard = listener.get_message(timeout=5)
    assert heard is not None
    assert backend.decode(heard["data"])["status"] == states.REVOKED
    assert told.name == "demo.add"


def test_a_success_that_celery_knows_of_stays(told: Task, backend: Any) -> None:
    jobs = cancelled_jobs(2)
    backend.store_result(jobs[0].task_id, 7, states.SUCCESS)

    results.all_cancelled([job.id for job in jobs])

    assert [backend.get_state(job.task_id) for job in jobs] == [states.SUCCESS, states.REVOKED]
    assert told.name == "demo.add"


def test_results_that_do_not_expire_are_stored_without_a_term(told: Task, backend: Any) -> None:
    backend.expires = None
    (job,) = cancelled_jobs(1)

    results.all_cancelled([job.id])

    assert backend.client.ttl(backend.get_key_for_task(job.task_id)) == -1
    assert told.name == "demo.add"


def test_redis_that_is_away_is_logged_once(
    told: Task, backend: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backend, "mget", Mock(side_effect=ConnectionError("away")))

    results.all_cancelled([job.id for job in cancelled_jobs(3)])

    assert caplog.text.count("could not be stored count=3") == 1
    assert told.name == "demo.add"


def test_a_member_of_a_chord_is_counted_by_celery(
    told: Task, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Mock()
    monkeypatch.setattr(backend, "on_chord_part_return", part)
    chord = '{"chord": {"task": "demo.body", "args": [], "kwargs": {}, "options": {}}}'
    (job,) = cancelled_jobs(1, message=chord)

    results.all_cancelled([job.id])

    assert part.call_count == 1
    assert told.name == "demo.add"


def test_a_skipped_link_is_told_of_though_its_result_is_ignored(told: Task, backend: Any) -> None:
    skipped = finished_job(State.SKIPPED, args="[1]", message='{"ignore_result": true}')
    (cancelled,) = cancelled_jobs(1, message='{"ignore_result": true}')

    results.all_cancelled([skipped.id, cancelled.id])

    assert backend.get_state(skipped.task_id) == states.REVOKED
    assert backend.get_state(cancelled.task_id) == states.PENDING
    assert told.name == "demo.add"


def test_another_backend_is_not_redis(app: Celery) -> None:
    assert not redis_results.is_redis(app.backend)
