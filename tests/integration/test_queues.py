from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Exchange, Queue

from celery_jobman.runtime import queues

if TYPE_CHECKING:
    from collections.abc import Iterator

    Broker = tuple[str, dict[str, Any]]


@pytest.fixture(params=["redis", "redis with a prefix", "rabbitmq"])
def app(request: pytest.FixtureRequest) -> Iterator[Celery]:
    kind = request.param.split()[0]
    app = Celery("depths", broker=request.getfixturevalue(f"{kind}_url"), set_as_current=False)
    if request.param == "redis with a prefix":
        app.conf.broker_transport_options = {"global_keyprefix": "shop:"}
    yield app
    app.close()


@pytest.fixture
def queue(app: Celery) -> Iterator[Queue]:
    """Return a queue of the broker, bound to an exchange of its own."""
    name = f"q-{uuid4()}"
    with app.connection_for_write() as connected:
        made = Queue(name, Exchange(f"e-{name}"), routing_key="key", durable=False)
        bound = made(connected.channel())
        bound.declare()
        app.amqp.queues.add(made)
        yield made
        bound.delete()
        bound.exchange.delete()


def test_messages_are_counted_wherever_they_wait(app: Celery, queue: Queue) -> None:
    before = queues.depth(queue.name, app)
    for _ in range(3):
        app.send_task("nobody", exchange=queue.exchange.name, routing_key="key", ignore_result=True)

    assert (before, queues.depth(queue.name, app)) == (0, 3)


def test_a_queue_that_rabbitmq_does_not_know_is_not_empty(
    rabbitmq_url: str,
) -> None:
    with Celery("depths", broker=rabbitmq_url, set_as_current=False) as app:
        assert queues.depth(f"q-{uuid4()}", app) is None
