"""The database the tests run on, chosen by ``JOBMAN_TEST_DATABASE``.

``sqlite`` (the default), ``postgresql`` or ``mariadb``.  The server comes from
:mod:`tests.servers`; the test database on it carries the process id, so that two runs at the
same time do not meet.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import pymysql
from django.core.exceptions import ImproperlyConfigured

from tests import servers

NAMES: Final = ("sqlite", "postgresql", "mariadb")


def asks_first() -> int:
    """Return how many statements more a step's write is: MariaDB asks who holds the job."""
    return int(chosen() == "mariadb")


def chosen() -> str:
    """Return the name of the database this process tests with."""
    return os.environ.get("JOBMAN_TEST_DATABASE", "sqlite")


def configured() -> dict[str, Any]:
    """Return the entry for Django's ``DATABASES`` that belongs to :func:`chosen`.

    Raises:
        ImproperlyConfigured: There is no such database, or its server is not there.
    """
    return entry(chosen(), _unique())


def entry(name: str, test_name: str) -> dict[str, Any]:
    """Return an entry for Django's ``DATABASES``; its test database is called ``test_name``.

    Raises:
        ImproperlyConfigured: There is no such database, or its server is not there.
    """
    if name == "sqlite":
        return _sqlite(test_name)
    if name not in NAMES:
        raise ImproperlyConfigured(f"JOBMAN_TEST_DATABASE is {name!r}, not one of {NAMES}")
    url = getattr(servers, name)()
    if url is None:
        raise ImproperlyConfigured(f"no {name}: {servers.MISSING[name]}")
    return {"postgresql": _postgresql, "mariadb": _mariadb}[name](urlsplit(url), test_name)


def _unique() -> str:
    # Set for the children: they belong to the same run.
    return os.environ.setdefault("JOBMAN_TEST_DATABASE_NAME", f"test_jobman_{os.getpid()}")


def _sqlite(test_name: str) -> dict[str, Any]:
    # A file, not memory: threads and processes see it as a project's would.
    file = str(Path(tempfile.gettempdir()) / f"{test_name}.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {"timeout": 20},
        "TEST": {"NAME": file},
    }


def _postgresql(url: SplitResult, test_name: str) -> dict[str, Any]:
    (socket_folder,) = parse_qs(url.query).get("host", [""])
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": url.hostname or socket_folder,
        "PORT": url.port or "",
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "NAME": url.path.strip("/") or "postgres",
        "TEST": {"NAME": test_name},
    }


def _mariadb(url: SplitResult, test_name: str) -> dict[str, Any]:
    _install_driver()
    return {
        "ENGINE": "django.db.backends.mysql",
        "HOST": url.hostname or "127.0.0.1",
        "PORT": url.port or "",
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "NAME": url.path.strip("/") or "mysql",
        "TEST": {"NAME": test_name, "CHARSET": "utf8mb4"},
    }


def _install_driver() -> None:
    """Let PyMySQL stand in for mysqlclient, which needs a C compiler, unless that is there."""
    if importlib.util.find_spec("MySQLdb") is None:
        pymysql.version_info = (2, 2, 8, "final", 0)  # Django asks for mysqlclient's number
        pymysql.install_as_MySQLdb()
