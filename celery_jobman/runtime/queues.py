"""Queues: which one a message goes to, and how many messages wait in one.

A message may be sent to an exchange, with a routing key; which queue gets it is told by the
queues that the project declares.  What cannot be told is not guessed: a queue that does not
answer is not an empty one.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError
from kombu.transport import virtual

from celery_jobman.runtime import publishing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from celery import Celery

logger = logging.getLogger("celery_jobman")

#: Longest that a look into a queue may take, in seconds.
DEPTH_TIMEOUT = 5.0
#: Options that send a message to an exchange.
BY_EXCHANGE = ("exchange", "exchange_type", "routing_key")


def destination(routed: Mapping[str, Any], app: Celery) -> str:
    """Return the name of the queue that a message goes to.

    Args:
        routed: What Celery's router made of its options.
        app: The Celery app, which knows the project's queues.

    Semantics: as :meth:`celery.app.amqp.AMQP.send_task_message` chooses between the queue and
    the exchange.  Of several queues that get a copy it is the one that was named, or else the
    first; without any it is the routing key.
    """
    queue, exchange, key = (routed.get(each) for each in ("queue", "exchange", "routing_key"))
    if queue is None and exchange is None:
        queue = app.amqp.default_queue
    named = getattr(queue, "name", queue)
    own = getattr(queue, "exchange", None)
    kind = routed.get("exchange_type") or getattr(own, "type", None) or "direct"
    if (not exchange or not key) and kind == "direct":
        return str(named or key)
    source = getattr(exchange or own, "name", exchange)
    key = key or getattr(queue, "routing_key", None) or app.conf.task_default_routing_key
    found = list(_bound(app, str(source), str(key)))
    if not found:
        return str(key if exchange or not named else named)
    return str(named) if named in found else found[0]


def route_of(delivery: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that send a message again where one came from."""
    exchange, key = delivery.get("exchange"), delivery.get("routing_key")
    return {"exchange": exchange, "routing_key": key} if exchange and key else {"queue": key or ""}


def _bound(app: Celery, exchange: str, key: str) -> Iterator[str]:
    """Name the queues of the project that get what an exchange is given under a key."""
    for queue in list(app.amqp.queues.values()):
        ways = queue.bindings or [queue]  # kombu binds either by several, or by its own
        if any(_fits(way, exchange, key) for way in ways):
            yield str(queue.name)


def _fits(way: Any, exchange: str, key: str) -> bool:
    if way.exchange is None or way.exchange.name != exchange:
        return False
    if way.exchange.type == "topic":
        return _matches((way.routing_key or "").split("."), key.split("."))
    return bool(way.exchange.type == "fanout" or way.routing_key == key)


def _matches(pattern: list[str], words: list[str]) -> bool:
    """Whether a topic's binding takes a key: ``*`` is one word, ``#`` any number of them."""
    if not pattern or (not words and pattern[0] != "#"):
        return not pattern and not words
    if pattern[0] == "#":
        return _matches(pattern[1:], words) or bool(words and _matches(pattern, words[1:]))
    return pattern[0] in {"*", words[0]} and _matches(pattern[1:], words[1:])


def depth(queue: str, app: Celery) -> int | None:
    """Return how many messages wait in a broker queue; None when the broker does not tell.

    Raises:
        kombu.exceptions.OperationalError: The broker is away, or silent for too long.
    """
    return publishing.within(DEPTH_TIMEOUT, partial(_depth, app, queue))


def _depth(app: Celery, queue: str) -> int | None:
    with app.connection_or_acquire() as connected:
        try:
            connected.ensure_connection(max_retries=1, interval_start=0, timeout=DEPTH_TIMEOUT)
            with connected.channel() as channel:
                return _count(channel, queue)
        except (OperationalError, *connected.connection_errors) as error:
            raise OperationalError(str(error)) from error
        except Exception as error:  # noqa: BLE001 - whatever a transport raises: no such queue …
            logger.debug("Queue does not tell its depth queue=%s error=%r", queue, error)
            return None


def _count(channel: Any, queue: str) -> int | None:
    """Ask kombu's own transports directly: some do not know an empty queue by name."""
    if not isinstance(channel, virtual.Channel):
        return int(channel.queue_declare(queue=queue, passive=True).message_count)
    tells = type(channel)._size is not virtual.Channel._size  # noqa: SLF001 - which says 0 of any
    return int(channel._size(queue)) if tells else None  # noqa: SLF001 - nothing else tells
