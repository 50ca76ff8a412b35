"""A database's URL, turned into an entry of Django's ``DATABASES``.

As little as the example needs; ``django-environ`` and ``dj-database-url`` do more.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_ENGINES = {
    "mariadb": "django.db.backends.mysql",
    "mysql": "django.db.backends.mysql",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
}

#: What lets SQLite serve a site and some workers at once.
_SQLITE_OPTIONS = {
    # Readers and the one writer do not wait for each other.
    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
    # A transaction takes its turn to write when it begins, not in its middle, when it is too
    # late to wait.
    "transaction_mode": "IMMEDIATE",
    # Seconds to wait for that turn.
    "timeout": 20,
}


def parse(url: str) -> dict[str, Any]:
    """Return the entry for ``DATABASES`` that ``url`` stands for.

    Args:
        url: ``postgresql://user:password@host:port/name?option=value``, the same with
            ``mysql://``, or ``sqlite:///`` and a path: ``sqlite:////tmp/shop.sqlite3``.

    Raises:
        ValueError: Another scheme, or no name.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise ValueError(f"no database is named in {_shown(parts)!r}")
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": _SQLITE_OPTIONS}
    if parts.scheme not in _ENGINES:
        known = ", ".join(sorted([*_ENGINES, "sqlite"]))
        raise ValueError(f"{_shown(parts)!r} begins with none of {known}")
    if _ENGINES[parts.scheme].endswith("mysql"):
        _install_driver()
    return {
        "ENGINE": _ENGINES[parts.scheme],
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def _shown(parts: SplitResult) -> str:
    """Return the URL without its password: it may end up in a log."""
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _install_driver() -> None:
    """Let PyMySQL stand in for mysqlclient, which must be compiled, unless that is there."""
    if importlib.util.find_spec("MySQLdb") is None:
        pymysql.version_info = (2, 2, 8, "final", 0)  # Django asks for mysqlclient's number
        pymysql.install_as_MySQLdb()
