"""Many messages on a real Redis, whose connections break."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from kombu import Producer
from kombu.utils.json import loads

from celery_jobman.runtime import broker, bulk
from celery_jobman.testing.localnodes import LocalRedis, ServerUnavailable
from tests import servers
from tests.factories import queued_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery_jobman.models import Job

pytestmark = pytest.mark.django_db

COUNT = 250
#: Before kombu 5.7 messages leave one by one.
HAS_PIPELINES = hasattr(Producer, "supports_batch_publish")


@pytest.fixture(scope="module")
def redis() -> Iterator[LocalRedis]:
    """Start a Redis that no other test talks to."""
    node = LocalRedis()
    try:
        node.start()
        node.ready()
    except ServerUnavailable as error:
        if servers.required():
            raise
        pytest.skip(str(error))
    yield node
    node.teardown()


@pytest.fixture
def app(redis: LocalRedis) -> Iterator[Celery]:
    """Return an app on that Redis, which is empty."""
    redis.wipe()
    app = Celery("bulk", broker=redis.url, set_as_current=False)
    yield app
    app.close()


@pytest.fixture
def jobs() -> list[Job]:
    return [queued_job(task="demo.add", queue="many") for _ in range(COUNT)]


def sent(app: Celery) -> list[str]:
    """Return the task ids of the messages in the queue, in the order of a consumer."""
    with app.connection_for_read() as connected:
        texts: list[Any] = connected.default_channel.client.lrange("many", 0, -1)
    return [loads(text)["headers"]["id"] for text in reversed(texts)]


def send(app: Celery, jobs: list[Job]) -> list[Job]:
    taken: list[Job] = []
    bulk.send(app, jobs, taken, broker._send)
    return taken


@contextmanager
def at_message(number: int, act: Callable[[], object]) -> Iterator[None]:
    """Do something while the message with this number is on its way."""
    seen: list[Any] = []
    send = bulk._Sender._send

    def count(sender: Any, *args: Any, **options: Any) -> None:
        seen.append(None)
        if len(seen) == number:
            act()
        send(sender, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk._Sender, "_send", count)
        yield


def cut(redis: LocalRedis) -> Callable[[], object]:
    return lambda: redis.command("CLIENT KILL TYPE normal")


def test_all_arrive_once_and_in_their_order(app: Celery, jobs: list[Job]) -> None:
    with app.producer_or_acquire() as producer:
        assert getattr(producer, "supports_batch_publish", False) == HAS_PIPELINES

    assert send(app, jobs) == jobs

    assert sent(app) == [job.task_id for job in jobs]


def test_a_connection_that_went_stale_in_the_pool_is_renewed(
    app: Celery, redis: LocalRedis, jobs: list[Job]
) -> None:
    send(app, jobs[:1])
    cut(redis)()

    assert send(app, jobs[1:]) == jobs[1:]

    assert sent(app) == [job.task_id for job in jobs]


def test_a_connection_that_is_cut_in_the_middle_is_renewed(
    app: Celery, redis: LocalRedis, jobs: list[Job]
) -> None:
    with at_message(bulk.TOGETHER + 50, cut(redis)):
        assert send(app, jobs) == jobs

    assert sent(app) == [job.task_id for job in jobs]


def test_of_a_broker_that_is_full_in_the_middle_nobody_counts_what_it_may_have_taken(
    app: Celery, redis: LocalRedis, jobs: list[Job]
) -> None:
    taken: list[Job] = []
    with (
        at_message(bulk.TOGETHER + 50, lambda: redis.command("CONFIG SET maxmemory 1")),
        pytest.raises(Exception, match="maxmemory"),
    ):
        bulk.send(app, jobs, taken, broker._send)
    redis.command("CONFIG SET maxmemory 0")

    # All of a pipeline are scheduled again; the row believes one message of each.
    known, left = (0, bulk.TOGETHER) if HAS_PIPELINES else (bulk.TOGETHER + 49,) * 2
    assert taken == jobs[:known]
    assert sent(app) == [job.task_id for job in jobs[:left]]


def test_while_the_broker_is_away_none_counts_as_taken(jobs: list[Job]) -> None:
    taken: list[Job] = []
    app = Celery("away", broker="redis://127.0.0.1:1/0", set_as_current=False)
    with app, pytest.raises(Exception, match="refused"):
        bulk.send(app, jobs, taken, broker._send)

    assert taken == []
