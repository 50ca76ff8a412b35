"""A MariaDB server of the tests' own, on a free port, with ``root`` and no password.

Nothing is synced to the disk: data survives a killed server, not a power cut.
"""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, ClassVar

from celery_jobman.testing.localnodes.availability import program
from celery_jobman.testing.localnodes.container import LocalContainer
from celery_jobman.testing.localnodes.ports import LOOPBACK, free_port
from celery_jobman.testing.localnodes.process import output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--skip-log-bin",
    "--performance-schema=OFF",
)


class LocalMariaDB(LocalContainer):
    """A database server."""

    kind: ClassVar[str] = "mariadb"

    def __init__(self, *options: str) -> None:
        """Take further command line ``options`` of the server."""
        super().__init__()
        self.port = free_port()
        self._options = options

    def prepare(self) -> None:
        """Create the data folder."""
        installer = program("mariadb-install-db", "mysql_install_db")
        account = (f"--user={getpass.getuser()}", "--auth-root-authentication-method=normal")
        place = ("--no-defaults", f"--datadir={self._data}", "--skip-test-db")
        output([installer, *place, *account], env=self.env())

    def argv(self) -> Sequence[str]:
        """Return the command line."""
        return [
            program("mariadbd"),
            "--no-defaults",
            f"--datadir={self._data}",
            f"--user={getpass.getuser()}",
            f"--socket={self.folder / 'server.sock'}",
            f"--pid-file={self.folder / 'server.pid'}",
            f"--bind-address={LOOPBACK}",
            f"--port={self.port}",
            "--character-set-server=utf8mb4",
            *_FAST,
            *self._options,
        ]

    def env(self) -> Mapping[str, str]:
        """Return the program's whole environment."""
        return {"PATH": os.defpath, "TZ": "UTC"}

    def answers(self) -> bool:
        """Whether the server accepts connections."""
        return "ready for connections" in self.recent_logs()

    def url(self, database: str) -> str:
        """Return the address of ``database``."""
        return f"mysql://root@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return self.url(name)

    def execute(self, statement: str, database: str = "mysql") -> str:
        """Run a statement and return its rows, a line each, columns separated by tabs."""
        place = ("--protocol=TCP", f"--host={LOOPBACK}", f"--port={self.port}", "--user=root")
        options = ("--no-defaults", *place, "--batch", "--skip-column-names", database)
        return output([program("mariadb", "mysql"), *options, "-e", statement], env=self.env())

    @property
    def _data(self) -> str:
        return str(self.folder / "data")
