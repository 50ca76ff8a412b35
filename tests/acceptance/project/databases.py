"""Django's settings for a database, from its URL."""

from __future__ import annotations

import importlib.util
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import pymysql

_SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def entry(url: str) -> dict[str, Any]:
    """Return an entry for ``DATABASES``: ``sqlite:////path``, ``postgresql://`` or ``mysql://``."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        name = parts.path.removeprefix("/")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": _SQLITE_OPTIONS}
    if parts.scheme == "mysql":
        _install_driver()
        return _server("mysql", parts) | {"OPTIONS": {"charset": "utf8mb4"}}
    return _server("postgresql", parts)


def _server(backend: str, parts: SplitResult) -> dict[str, Any]:
    return {
        "ENGINE": f"django.db.backends.{backend}",
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": parts.path.strip("/"),
    }


def _install_driver() -> None:
    # PyMySQL stands in for mysqlclient, which needs a C compiler, unless that is installed.
    if importlib.util.find_spec("MySQLdb") is None:
        pymysql.version_info = (2, 2, 8, "final", 0)  # Django asks for mysqlclient's number
        pymysql.install_as_MySQLdb()
