"""Databases for one run: created before it, dropped after it, named by a URL in between.

Understood URLs: ``postgresql://user:password@host:port/name``, also with the folder of a socket
as ``?host=``, and ``sqlite:///path/to/file``.  SQLite runs in WAL mode, as a project with
workers would have it.
"""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

WAL: Final = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"


class DatabaseMissing(Exception):
    """The database that was asked for is not there."""


@contextlib.contextmanager
def database(choice: str = "auto") -> Iterator[str]:
    """Yield the URL of an empty database that lives as long as the ``with`` block.

    Args:
        choice: ``postgresql`` (on the server that :mod:`tests.servers` finds), ``sqlite``,
            ``auto`` (PostgreSQL if there is one), or the URL of a database that exists; the
            last is used as it is and left behind.

    Raises:
        DatabaseMissing: ``postgresql`` was asked for and no server was found.
    """
    with contextlib.ExitStack() as stack:
        server = _postgresql_server() if choice in {"auto", "postgresql"} else None
        if choice == "postgresql" and server is None:
            raise DatabaseMissing("no PostgreSQL server was found")
        if "://" in choice:
            yield choice
        elif server is not None:
            yield stack.enter_context(_created(server))
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="jobman-database-"))
            yield f"sqlite:///{folder}/jobman.sqlite3"


def django_database(url: str) -> dict[str, Any]:
    """Return the ``DATABASES`` entry for ``url``."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": WAL}
        name = parts.path.removeprefix("/")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": Path(parts.path).name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "".join(parse_qs(parts.query).get("host", [])),
        "PORT": str(parts.port or ""),
    }


def _postgresql_server() -> str | None:
    from tests import servers  # noqa: PLC0415 - the processes that are measured do without

    return servers.postgresql()


@contextlib.contextmanager
def _created(server: str) -> Iterator[str]:
    name = f"jobman_run_{uuid.uuid4().hex[:12]}"
    _execute(server, f'CREATE DATABASE "{name}"')
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(server: str, statement: str) -> None:
    import psycopg  # noqa: PLC0415 - as above, and a run on SQLite needs none

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement.encode())
