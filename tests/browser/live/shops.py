"""A test's side of a live shop: its site, its workers, its mail, and the jobs it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery_jobman.testing.localnodes import LocalWorker, guard
from tests.acceptance import gates
from tests.browser.live.post import Post
from tests.browser.screens import LIST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.acceptance.gates import Gate

ROOT = Path(__file__).parents[3]
IMPORT = "example_project.shop.tasks.import_branches"
NAP = "tests.browser.live.project.tasks.nap"


class ShopWorker(LocalWorker):
    """A ``celery worker`` of the shop, with two pool processes."""

    start_timeout = 60

    @property
    def is_alive(self) -> bool:
        return self.status == "running"


class LiveSite:
    """The site's process, which also enqueues what a test asks for."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._log = folder / "site.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.browser.live.project"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=os.environ | dict(environment),
                text=True,
                start_new_session=True,
            )
        guard.began(self._process.pid)
        facts = self._answer()
        self.url = f"http://127.0.0.1:{facts['port']}"
        self.sessions: dict[str, str] = facts["sessions"]

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


@dataclass(kw_only=True)
class Shop:
    """One shop with a database and a queue of its own."""

    database_url: str
    broker_url: str
    folder: Path
    post: Post = field(default_factory=Post)
    workers: list[ShopWorker] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "example_project").symlink_to(ROOT / "example_project")
        try:
            self.site = LiveSite(self.folder, self.environment)
        except BaseException:
            self.post.close()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are told.  Its code is seen in its own folder, as tracebacks show."""
        return {
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(ROOT)]),
            "DJANGO_SETTINGS_MODULE": "tests.browser.live.project.settings",
            "JOBMAN_TEST_DATABASE": "sqlite",
            "JOBMAN_DEMO_DATABASE_URL": self.database_url,
            "JOBMAN_DEMO_BROKER_URL": self.broker_url,
            "JOBMAN_DEMO_QUEUE": "imports",
            "JOBMAN_DEMO_SMTP_PORT": str(self.post.port),
            "JOBMAN_DEMO_FOLDER": str(self.folder),
            "JOBMAN_MOMENTS": "tests.browser.live.project.pauses:reached",
            gates.FOLDER: str(self.folder),
        }

    def hire(self) -> ShopWorker:
        """Start a worker and wait until it works."""
        name = f"worker-{len(self.workers) + 1}"
        words = ["-A", "example_project", "worker", "-n", f"{name}@shop", "-c", "2", "-l", "INFO"]
        quick = ["--without-mingle", "--without-gossip"]
        worker = ShopWorker(["celery", *words, *quick], env=self.environment)
        self.workers.append(worker)
        worker.start()
        worker.ready()
        return worker

    @property
    def worker(self) -> ShopWorker:
        """The worker that lives; a new one, if the last was killed."""
        living = [each for each in self.workers if each.is_alive]
        return living[-1] if living else self.hire()

    def enqueue(self, task: str, *args: Any, **options: Any) -> str:
        """Enqueue a job and return its id."""
        return str(self.site.ask({"task": task, "args": args, **options}))

    def import_branches(self, source: str = "airports", limit: int = 300, **options: Any) -> str:
        """Enqueue an import of so many rows, a hundred in each pack."""
        return self.enqueue(IMPORT, source, kwargs={"limit": limit}, **options)

    def hold(self, moment: str, *, task_id: str = "", after: int = 0) -> Gate:
        """Arm a gate for a job whose ``task_id`` is, or will be, the gate's tag."""
        return gates.arm(self.folder, task_id or str(uuid.uuid4()), moment, after=after)

    def move(self, gate: Gate, *, after: int) -> None:
        """Let a held job go on, and hold it at the same step so many moments later."""
        gate.armed.write_text(str(after))
        gate.held.unlink()
        gate.wait()

    def page(self, job_id: str) -> str:
        """Return the path of a job's page."""
        return f"{LIST}{job_id}/change/"

    def report(self) -> str:
        """Return all that may explain a failure."""
        logs = [f"--- {each.name}\n{each.logs()[-4000:]}" for each in self.workers]
        return "\n".join([self.site.log(), *logs])

    def close(self) -> None:
        """End everything."""
        for worker in self.workers:
            worker.teardown()
        self.site.close()
        self.post.close()
