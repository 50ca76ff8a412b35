"""The quickstart is played, from its own blocks, with a worker that is really killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from celery_jobman.testing.localnodes import LocalRedis, ServerUnavailable, skip_or_fail, wait_until
from tests.docs.pages import DOCS, ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = DOCS / "quickstart.md"

#: Enough rows to be killed in the middle of, even on a busy machine: each takes 0.1 s.
COUNT = 150
ENQUEUE = f"from shop.tasks import import_prices; print(import_prices.delay({COUNT}))"


class Tutorial:
    """The project that the quickstart makes."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        path = os.pathsep.join([str(ROOT), *sys.path])
        self._environment = {**os.environ, "CELERY_BROKER_URL": broker, "PYTHONPATH": path}
        for name in ("DJANGO_SETTINGS_MODULE", "JOBMAN_MOMENTS"):
            self._environment.pop(name, None)

    def write(self) -> None:
        """Do what the page says, up to the first worker."""
        self.run("-m", "django", "startproject", "proj", ".")
        self.manage("startapp", "shop")
        for block in blocks(PAGE, "python"):
            if block.caption:
                self._add(block.caption, block.code)
        self.manage("makemigrations", "shop")
        self.manage("migrate", "--verbosity=0")

    def _add(self, name: str, code: str) -> None:
        file = self.folder / name
        kept = file.read_text(encoding="utf-8") if file.name == "settings.py" else ""
        file.write_text(f"{kept}\n{code}", encoding="utf-8")

    def manage(self, *words: str) -> str:
        """Return what ``manage.py`` says."""
        return self.run("manage.py", *words)

    def jobman(self, *words: str) -> str:
        """Return what ``manage.py jobman`` says."""
        return self.manage("jobman", *words)

    def run(self, *words: str) -> str:
        """Return what Python says; what goes wrong is shown."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_worker(self) -> None:
        """Start ``celery -A proj worker``."""
        words = ["-m", "celery", "-A", "proj", "worker", "--loglevel", "INFO", "--concurrency", "1"]
        log = (self.folder / f"worker{len(self.workers)}.log").open("wb")
        with log:
            worker = subprocess.Popen(
                [sys.executable, *words],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.workers.append(worker)

    def kill_worker(self) -> None:
        """Kill the main process of the last worker; its pool ends with it."""
        self.workers[-1].kill()
        self.workers[-1].wait(10)

    def close(self) -> None:
        """End every process of every worker."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(10)


@pytest.fixture
def broker() -> Iterator[str]:
    node = LocalRedis()
    try:
        node.start()
    except ServerUnavailable as error:
        node.teardown()
        skip_or_fail(str(error))
    try:
        node.ready()
        yield node.url
    finally:
        node.teardown()


@pytest.fixture
def tutorial(tmp_path: Path, broker: str) -> Iterator[Tutorial]:
    project = Tutorial(tmp_path, broker)
    yield project
    project.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.timeout(480)  # each look is a process of its own, and a busy machine starts it slowly
def test_the_story_comes_out_as_told(tutorial: Tutorial) -> None:
    tutorial.write()
    job = tutorial.manage("shell", "--verbosity=0", "--command", ENQUEUE).split()[-1]

    tutorial.start_worker()
    assert wait_until(lambda: "running  " in _step(tutorial, job, "load"), timeout=90)
    tutorial.kill_worker()
    tutorial.start_worker()
    assert wait_until(lambda: "failed" in _step(tutorial, job, "report"), timeout=180)
    assert "attempt 1" in _step(tutorial, job, "fetch")
    assert "attempt 2" in _step(tutorial, job, "load")
    assert f"[fetch] Fetching {COUNT} prices" in tutorial.jobman("logs", job)

    (tutorial.folder / "reports").mkdir()
    assert "reuses fetch, load; runs report" in tutorial.jobman("retry", job, "--dry-run")
    tutorial.jobman("retry", job, "--reason", "made the folder")
    assert wait_until(lambda: "succeeded" in tutorial.jobman("show", job)[:60], timeout=90)

    shown = tutorial.jobman("show", job)
    assert "code        imported" in shown
    assert "attempt 1   lost" in shown
    assert "resumed at load, started by rescue" in shown
    assert "resumed at report, started by operator" in shown


def _step(tutorial: Tutorial, job: str, name: str) -> str:
    lines = tutorial.jobman("steps", job).splitlines()
    return next((line for line in lines if line.startswith(name)), "")
