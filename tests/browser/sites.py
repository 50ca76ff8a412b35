"""A test's side of the site: where it is, who is signed in, which jobs it has."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery_jobman.testing.localnodes import guard
from tests.languages import pseudo

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

#: Tables that no GET may touch.
WATCHED = ("jobman_%", "django_admin_log", "auth_%")


class Site:
    """The site's process, and what it said when it was ready.

    Args:
        folder: Where its database and its log are kept.
        settings: Its settings.
        theme: A package that dresses the admin; empty for Django's own.
        language: The site's language.
    """

    def __init__(
        self,
        folder: Path,
        settings: str = "tests.browser.site.settings",
        *,
        theme: str = "",
        language: str = "en-us",
    ) -> None:
        self._file = folder / "site.sqlite3"
        self._log = folder / "site.log"
        pseudo.write(folder / "locale")
        environment = {
            "DJANGO_SETTINGS_MODULE": settings,
            "JOBMAN_TEST_DATABASE": "sqlite",
            "JOBMAN_TEST_SITE_FILE": str(self._file),
            "JOBMAN_TEST_SITE_LOCALE": str(folder / "locale"),
            "JOBMAN_TEST_SITE_THEME": theme,
            "JOBMAN_TEST_SITE_LANGUAGE": language,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.browser.site"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=os.environ | environment,
                text=True,
                start_new_session=True,
            )
        guard.began(self._process.pid)
        facts = self._facts()
        self.url = f"http://127.0.0.1:{facts['port']}"
        self.sessions: dict[str, str] = facts["sessions"]
        self.jobs: dict[str, str] = facts["jobs"]

    def _facts(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the site did not start\n{self.log()}"
        facts: dict[str, Any] = json.loads(line)
        return facts

    def log(self) -> str:
        """Return what went wrong on the server."""
        return self._log.read_text(encoding="utf-8")

    def dump(self) -> list[str]:
        """Return the rows of all watched tables, as SQL."""
        with closing(sqlite3.connect(self._file, timeout=20)) as database:
            tables = [table for pattern in WATCHED for table in _tables(database, pattern)]
            return [f"{table}: {row}" for table in tables for row in _rows(database, table)]

    def close(self) -> None:
        """End the process."""
        try:
            self._process.communicate(timeout=10)  # closes its input
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        guard.ended(self._process.pid)


@contextmanager
def serving(folder: Path, **choices: str) -> Iterator[Site]:
    """Run a :class:`Site`, which must not have gone wrong once by the end."""
    site = Site(folder, **choices)
    try:
        yield site
    finally:
        site.close()
    assert "Internal Server Error" not in site.log(), site.log()


def _tables(database: sqlite3.Connection, pattern: str) -> list[str]:
    question = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ? ORDER BY name"
    return [name for (name,) in database.execute(question, (pattern,))]


def _rows(database: sqlite3.Connection, table: str) -> list[Any]:
    return database.execute(f'SELECT * FROM "{table}" ORDER BY 1').fetchall()  # noqa: S608 - its own name
