"""Blows to a server of the tests' own, whatever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import kombu

from celery_jobman.testing.localnodes import LocalRedis
from celery_jobman.testing.localnodes.process import run
from celery_jobman.testing.localnodes.rabbitmq import rabbitmq_script

if TYPE_CHECKING:
    from celery_jobman.testing.localnodes import LocalRabbitMQ


def wipe(broker: LocalRedis | LocalRabbitMQ, queue: str) -> None:
    """Throw away the messages of ``queue``; of Redis, all that there is."""
    if isinstance(broker, LocalRedis):
        broker.wipe()
        return
    with kombu.Connection(broker.url) as connection, connection.channel() as channel:
        channel.queue_purge(queue)


def cut(broker: LocalRedis | LocalRabbitMQ) -> None:
    """Cut every connection to a broker."""
    if isinstance(broker, LocalRedis):
        for kind in ("normal", "pubsub"):
            broker.command(f"CLIENT KILL TYPE {kind}")
        return
    command = [rabbitmq_script("rabbitmqctl"), "close_all_connections", "fault"]
    run(command, env=broker.env(), cwd=broker.folder)
