"""Stacks: one broker, one result backend and one database, started for the tests alone."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from celery_jobman.testing.localnodes import (
    LocalMariaDB,
    LocalPostgreSQL,
    LocalRabbitMQ,
    LocalRedis,
    ServerUnavailable,
    skip_or_fail,
)
from tests import servers
from tests.acceptance import gates
from tests.acceptance.drivers import Driver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from celery_jobman.testing.localnodes import LocalContainer

ROOT = Path(__file__).parents[2]

#: Short enough that a test need not wait long for what happens after a while.
QUICK: Final = {
    "HEARTBEAT": 1,
    "WORKER_LOST_AFTER": 5,
    "RESCUE_EVERY": 1,
    "DISPATCH_EVERY": 0.5,
    "REDELIVER_AFTER": 5,
    "CANCEL_GRACE": 5,
}


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Where a project's messages, results and rows are."""

    name: str
    broker: LocalRedis | LocalRabbitMQ
    database_url: str
    result_url: str

    def environment(
        self, *, role: str, folder: Path, settings: Mapping[str, Any] = QUICK
    ) -> dict[str, str]:
        """Return the environment of a process of the project, whose gates are in ``folder``."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.project.settings",
            "JOBMAN_ACCEPTANCE_DATABASE_URL": self.database_url,
            "JOBMAN_ACCEPTANCE_BROKER_URL": self.broker.url,
            "JOBMAN_ACCEPTANCE_RESULT_URL": self.result_url,
            "JOBMAN_ACCEPTANCE_SETTINGS": json.dumps(dict(settings)),
            "JOBMAN_MOMENTS": "tests.acceptance.gates:reached",
            gates.FOLDER: str(folder),
            gates.ROLE: role,
        }


@dataclass(kw_only=True)
class Stacks:
    """The stacks of one test run: every server is started once, when it is first needed."""

    folder: Path
    _nodes: list[LocalContainer] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _shared: dict[str, Any] = field(default_factory=dict)
    _stacks: dict[tuple[str, str], Stack] = field(default_factory=dict)

    def get(self, broker: str, database: str) -> Stack:
        """Return a stack with a migrated database, the same one each time."""
        if (broker, database) not in self._stacks:
            self._stacks[broker, database] = self.fresh(broker, database)
        return self._stacks[broker, database]

    def fresh(self, broker: str, database: str) -> Stack:
        """Return a new stack with a migrated database; a Redis broker is its own server."""
        name = f"{broker}_{database}_{next(self._numbers)}"
        node = self._broker(broker)
        stack = Stack(
            name=name,
            broker=node,
            database_url=self._database(database, name),
            result_url=f"{node.url[:-1]}1" if isinstance(node, LocalRedis) else "rpc://",
        )
        with Driver(stack.environment(role="migration", folder=self.folder)) as driver:
            driver.call("manage", "migrate", "--verbosity=0")
        return stack

    def start(self, node: LocalContainer) -> None:
        """Start a server and keep it until the end of the run; skip the test without it."""
        try:
            node.start()
        except ServerUnavailable as error:
            node.teardown()
            servers.MISSING[node.kind] = str(error)
            skip_or_fail(str(error))
        self._nodes.append(node)
        node.ready()

    def server(self, kind: str) -> LocalContainer:
        """Return the server that all stacks with a ``kind`` of broker or database share."""
        server: LocalContainer = self._shared[kind]
        return server

    def close(self) -> None:
        """End every server."""
        for node in self._nodes:
            node.teardown()

    def _broker(self, kind: str) -> LocalRedis | LocalRabbitMQ:
        if kind == "rabbitmq":
            shared: LocalRabbitMQ = self._once("rabbitmq", LocalRabbitMQ())
            return shared
        node = LocalRedis()
        self.start(node)
        return node

    def _database(self, kind: str, name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{self.folder / name}.sqlite3"
        node = {"postgresql": LocalPostgreSQL, "mariadb": LocalMariaDB}[kind]()
        return str(self._once(kind, node).create_database(name))

    def _once(self, kind: str, node: Any) -> Any:
        if kind not in self._shared:
            self.start(node)
            self._shared[kind] = node
        return self._shared[kind]
