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
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]

#: Tables that no GET may touch.
WATCHED = ("jobman_%", "django_admin_log", "auth_%")


class SiteProcess:
    """A process that serves a site, and answers on its output with a line of JSON each time.

    Its first line says ``port`` and ``sessions``, once it is ready; it ends with its input.
    """

    def __init__(self, module: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._log = folder / "site.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=os.environ | dict(environment),
                text=True,
                start_new_session=True,
            )
        guard.began(self._process.pid)
        self.facts: dict[str, Any] = self._answer()
        self.url = f"http://127.0.0.1:{self.facts['port']}"
        self.sessions: dict[str, str] = self.facts["sessions"]

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Send a line and return the answer."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self.close()
        assert line, f"the site has ended\n{self.log()}"
        return json.loads(line)

    def log(self) -> str:
        """Return what went wrong on the server."""
        return self._log.read_text(encoding="utf-8")

    def close(self) -> None:
        """End the process; harmless when it has ended."""
        if self._process.returncode is not None:
            return
        try:
            self._process.communicate(timeout=10)  # closes its input
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        guard.ended(self._process.pid)


class Site(SiteProcess):
    """The site that has jobs of all kinds, in rows that nobody runs.

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
        pseudo.write(folder / "locale")
        environment = {
            "DJANGO_SETTINGS_MODULE": settings,
            "JOBMAN_TEST_DATABASE": "sqlite",
            "JOBMAN_TEST_SITE_FILE": str(self._file),
            "JOBMAN_TEST_SITE_LOCALE": str(folder / "locale"),
            "JOBMAN_TEST_SITE_THEME": theme,
            "JOBMAN_TEST_SITE_LANGUAGE": language,
        }
        super().__init__("tests.browser.site", folder, environment)
        self.jobs: dict[str, str] = self.facts["jobs"]

    def dump(self) -> list[str]:
        """Return the rows of all watched tables, as SQL."""
        with closing(sqlite3.connect(self._file, timeout=20)) as database:
            tables = [table for pattern in WATCHED for table in _tables(database, pattern)]
            return [f"{table}: {row}" for table in tables for row in _rows(database, table)]


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
