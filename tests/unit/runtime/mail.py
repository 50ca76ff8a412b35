"""What lies in a queue of the broker in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery


def messages_in(app: Celery, queue: str) -> list[Any]:
    """Take all messages out of a queue, the first first."""
    with app.connection_for_read() as kombu, kombu.SimpleQueue(queue) as simple:
        return [simple.get_nowait() for _ in range(simple.qsize())]
