"""One run of Celery's integration tests: vanilla, or with another base class for every task."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.benchmarks.databases import database
from tests.benchmarks.servers import redis_server
from tests.conformance import source
from tests.conformance.outcomes import merge, read

REPOSITORY: Final = Path(__file__).parents[2]
SETTINGS: Final = "tests.conformance.settings"
LONGEST: Final = timedelta(hours=1)
#: Plug-ins of our own tests: one forbids the database, the other shuffles the tests.
WITHOUT: Final = ("-p", "no:django", "-p", "no:randomly")
#: Tests failed, or none was selected, is an answer; every other status above zero means that the
#: suite did not run.
ANSWERS: Final = frozenset({0, 1, 5})


class SuiteBroken(RuntimeError):
    """The tests could not be run to their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What to run.  ``tests`` are files or test ids below ``t/integration``."""

    tests: tuple[str, ...]
    keyword: str = ""
    database: str = "auto"

    def run(self, base: str | None, results: Path) -> None:
        """Run the tests and write their outcomes to ``results`` (JUnit XML).

        Each file has a process and servers of its own: one of them breaks its worker, and what
        comes after it would find none.

        Args:
            base: ``module:Class`` that becomes the base of every task; ``None`` for vanilla.
            results: File to write.

        Raises:
            SuiteBroken: pytest did not come to its end, or found none of the tests.
        """
        with tempfile.TemporaryDirectory(prefix="conformance-") as name:
            folder = Path(name)
            root = source.unpack(source.celery_version(), folder)
            shutil.copy(Path(__file__).with_name("injected_conftest.py"), root / "t/conftest.py")
            parts: list[Path] = []
            for _, tests in groupby(self.tests, key=lambda test: test.partition("::")[0]):
                parts.append(folder / f"{len(parts)}.xml")
                self._run_file(tuple(tests), base, root, parts[-1])
            merge(parts, results)
        if not read(results):
            raise SuiteBroken("none of the tests was selected")

    def _run_file(
        self, tests: tuple[str, ...], base: str | None, root: Path, results: Path
    ) -> None:
        with contextlib.ExitStack() as stack:
            environment = _environment(stack.enter_context(redis_server()))
            if base is not None:
                url = stack.enter_context(database(self.database))
                environment |= _injection(base, url)
                _django("migrate", "--verbosity=0", environment=environment)
            _pytest(self._arguments(tests, results), root, environment)

    def narrowed(self, tests: set[str]) -> Suite:
        """Return the suite of only those files (or ids) that hold one of ``tests``."""
        wanted = tuple(each for each in self.tests if any(test.startswith(each) for test in tests))
        return replace(self, tests=wanted)

    def _arguments(self, tests: tuple[str, ...], results: Path) -> list[str]:
        options = ["-q", "--tb=short", "--timeout=300", f"--junitxml={results.resolve()}"]
        selection = ["-k", self.keyword] if self.keyword else []
        return [f"t/integration/{test}" for test in tests] + [*WITHOUT, *options, *selection]


def _environment(redis: str) -> dict[str, str]:
    """Return the environment of a vanilla run: nothing of Django, ``celery`` on the path."""
    inherited = {name: os.environ[name] for name in os.environ if name != "DJANGO_SETTINGS_MODULE"}
    server = urlsplit(redis)
    return inherited | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "REDIS_HOST": str(server.hostname),
        "REDIS_PORT": str(server.port),
        "TEST_BACKEND": redis,
        "TEST_BROKER": redis,
        "WORKER_LOGLEVEL": "INFO",
    }


def _injection(base: str, url: str) -> dict[str, str]:
    path = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {
        "CONFORMANCE_BASE": base,
        "CONFORMANCE_DATABASE": url,
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }


def _django(*arguments: str, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "django", *arguments], check=True, env=environment)


def _pytest(arguments: list[str], root: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(command, cwd=root, env=environment, start_new_session=True) as pytest:
        try:
            status = pytest.wait(LONGEST.total_seconds())
        except subprocess.TimeoutExpired as error:
            raise SuiteBroken(f"the tests did not end within {LONGEST}") from error
        finally:
            # A worker started by a test may have outlived it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pytest.pid, signal.SIGKILL)
    if status not in ANSWERS:
        raise SuiteBroken(f"pytest ended with status {status}")
