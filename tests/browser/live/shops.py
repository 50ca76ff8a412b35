"""A test's side of a live shop: its site, its workers, its mail, and the jobs it is given."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from celery_jobman.testing.localnodes import LocalWorker
from tests.acceptance import gates
from tests.browser.live.post import Post
from tests.browser.screens import LIST
from tests.browser.sites import ROOT, SiteProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.gates import Gate

IMPORT = "example_project.shop.tasks.import_branches"
PROJECT = "tests.browser.live.project"
NAP = f"{PROJECT}.tasks.nap"


class ShopWorker(LocalWorker):
    """A ``celery worker`` of the shop, with two pool processes."""

    start_timeout = 60

    @property
    def is_alive(self) -> bool:
        return self.status == "running"


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
            self.site = SiteProcess(PROJECT, self.folder, self.environment)
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
