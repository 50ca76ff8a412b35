"""pytest-celery's node interface with local processes instead of Docker containers.

`pytest-celery <https://pytest-celery.readthedocs.io>`_ describes a Celery installation as
nodes: brokers, result backends and workers that a test can read the log of, kill and restart.
Its nodes are Docker containers.  Here they are processes of this machine, each with a port and
a folder of its own, so the same tests run where there is no Docker engine, and start in a
fraction of the time.

* :mod:`~celery_jobman.testing.localnodes.plugin` switches pytest-celery's fixtures over;
  ``JOBMAN_TEST_NODES=docker`` switches them back.
* :class:`LocalRedis`, :class:`LocalRabbitMQ`, :class:`LocalPostgreSQL`, :class:`LocalMariaDB`
  and :class:`LocalWorker` can be started by hand, stopped, frozen and wiped.
* A server that is not installed skips the test, or fails it with ``JOBMAN_TEST_REQUIRE_SERVERS=1``.

Every process runs in a process group of its own and is killed with all its descendants when
its node is torn down, and also when the test run itself is killed.

Needs the extra ``test``.  POSIX only.
"""

from __future__ import annotations

from celery_jobman.testing.localnodes.availability import ServerUnavailable, skip_or_fail
from celery_jobman.testing.localnodes.container import LocalContainer, NodeNotReady, wait_until
from celery_jobman.testing.localnodes.mariadb import LocalMariaDB
from celery_jobman.testing.localnodes.postgresql import LocalPostgreSQL
from celery_jobman.testing.localnodes.rabbitmq import LocalRabbitMQ
from celery_jobman.testing.localnodes.redis import LocalRedis
from celery_jobman.testing.localnodes.worker import LocalWorker

__all__ = [
    "LocalContainer",
    "LocalMariaDB",
    "LocalPostgreSQL",
    "LocalRabbitMQ",
    "LocalRedis",
    "LocalWorker",
    "NodeNotReady",
    "ServerUnavailable",
    "skip_or_fail",
    "wait_until",
]
