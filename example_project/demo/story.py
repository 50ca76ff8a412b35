"""The story, chapter by chapter.  Needs a configured Django."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection

from celery_jobman import actions
from celery_jobman.conf import settings as jobman
from celery_jobman.models import Job
from celery_jobman.states import FINAL, State
from example_project.demo import evidence, site
from example_project.demo.promises import Promises
from example_project.demo.stalls import Stalls
from example_project.demo.watching import Watch, done_share, state_of, steps
from example_project.shop import airports, packs
from example_project.shop.models import Branch
from example_project.shop.tasks import import_branches

if TYPE_CHECKING:
    from celery_jobman.models import Step
    from example_project.demo.processes import Process
    from example_project.demo.site import Login
    from example_project.demo.stage import Stage

#: Share of the load that must be saved before its worker is killed.
_HALF: Final = 0.5
_BEFORE_LOAD: Final = ("fetch", "validate")
#: The attempt that succeeds.
_THIRD: Final = 3


class Story:
    """One import, whose worker is killed, and whose mail cannot be sent at first.

    Args:
        stage: What it is played on.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._screen = stage.screen
        self.promises = Promises(stage.screen)
        #: The import; known once it has begun.
        self.job_id: UUID | None = None
        #: The batch with a job for each row; likewise.
        self.batch_id: UUID | None = None

    def play(self, login: Login, *, whole: bool = True) -> None:
        """Tell all chapters.

        Args:
            login: Who steers the jobs.
            whole: Go on with the workflows after the import.

        Raises:
            Stuck: The story cannot go on.
        """
        began = time.monotonic()
        worker = self._introduce()
        self.job_id = job_id = self._import(worker)
        before = self._kill(job_id, worker)
        worker = self._resume(job_id, before)
        self._fail(job_id)
        self._repair(job_id, worker, login)
        self._replay(job_id, worker, login)
        self._look_back(job_id)
        if whole:
            stalls = Stalls(self._stage, worker, login, self.promises)
            stalls.play(airports.read(steps(job_id)["fetch"].checkpoint))
            self.batch_id = stalls.batch_id
        self._sum_up(time.monotonic() - began)

    def _introduce(self) -> Process:
        self._screen.title(
            "celery-jobman: an import that survives",
            "A shop opens a branch at every airport of the world. While the list is imported,"
            " the worker is killed; later the mail server is down. Nothing is lost and nothing"
            " is done in vain. It takes about a minute.",
        )
        self._screen.chapter("Everything it needs")
        self._screen.fact("database", *_database())
        self._screen.fact("broker", self._stage.broker.what)
        worker = self._start_worker("worker-1")
        self._stage.start_site()
        self._screen.fact("site", site.address(self._stage.port))
        lost_after = jobman().worker_lost_after.total_seconds()
        self._screen.gap()
        self._screen.say(
            f"A worker that is silent for {lost_after:g} s counts as dead here"
            ' (JOBMAN["WORKER_LOST_AFTER"]). By default that is 25 s, which is kinder to busy'
            " machines."
        )
        return worker

    def _start_worker(self, name: str) -> Process:
        worker = self._stage.start_worker(name)
        self._screen.fact("worker", "celery -A example_project worker", f"pid {worker.pid}")
        return worker

    def _import(self, worker: Process) -> UUID:
        self._screen.chapter("The import begins")
        self._screen.code('import_branches.delay("airports")')
        job_id = UUID(import_branches.delay("airports").id)
        self._screen.fact("job", job_id)
        watch = Watch(self._screen, job_id, worker)
        watch.until(lambda: done_share(job_id, "load") >= _HALF, "half of the load")
        return job_id

    def _kill(self, job_id: UUID, worker: Process) -> dict[str, Step]:
        """Kill the worker; return the job's steps as they are then."""
        worker.kill()
        self._screen.chapter("kill -9")
        self._screen.alarm(f"The worker and its pool are killed: SIGKILL to group {worker.pid}")
        self._screen.gap()
        before = steps(job_id)
        load = before["load"]
        self._screen.fact("job", state_of(job_id), "as its row says: nobody could correct it")
        self._screen.fact("cursor", f"{load.cursor} of {load.total} packs of {packs.SIZE} rows")
        branches = Branch.objects.filter(job_id=job_id).count()
        self._screen.fact("branches", f"{branches:,}")
        self._screen.gap()
        self.promises.check("the worker is gone", not worker.is_running)
        self.promises.check("the cursor is behind the start", (load.cursor_value or 0) > 0)
        self.promises.check(
            "and before the end", done_share(job_id, "load") < 1, "the load was too quick"
        )
        return before

    def _resume(self, job_id: UUID, before: dict[str, Step]) -> Process:
        self._screen.chapter("A new worker takes over")
        worker = self._start_worker("worker-2")
        killed = time.monotonic()
        watch = Watch(self._screen, job_id, worker)
        watch.told.update(_BEFORE_LOAD)
        silent = jobman().worker_lost_after.total_seconds()
        watch.until(
            lambda: bool(evidence.attempts(job_id)),
            "the rescue",
            note=f"for {silent:g} s without a sign of life",
        )
        (lost, *_) = evidence.attempts(job_id)
        self._screen.fact("rescued", lost.error_message, f"{time.monotonic() - killed:.1f} s later")
        for name in _BEFORE_LOAD:
            self._screen.fact(name, "done already, by attempt 1")
        watch.until(lambda: done_share(job_id, "load") >= 1, "the rest of the load")
        watch.until(lambda: state_of(job_id) in FINAL, "the last step")
        self._screen.gap()
        evidence.untouched(self.promises, job_id, {name: before[name] for name in _BEFORE_LOAD})
        evidence.resumed(self.promises, job_id, before["load"].cursor_value or 0)
        rows = airports.read(before["fetch"].checkpoint)
        evidence.loaded(self.promises, job_id, evidence.bad_rows(rows))
        return worker

    def _fail(self, job_id: UUID) -> None:
        job = Job.objects.get(pk=job_id)
        self._screen.chapter("The mail server is down")
        self._screen.say(
            f"The last step mails a report through 127.0.0.1:{self._stage.mailbox.port}, where"
            " nobody listens."
        )
        self._screen.gap()
        self._screen.alarm(f"{job.error_class}: {job.error_message}")
        self._screen.gap()
        self._screen.fact("job", job.state)
        self._screen.fact("steps", ", ".join(_standing(one) for one in steps(job_id).values()))
        self._screen.gap()
        self.promises.equal("the job has failed", job.state, State.FAILED)
        refused = "refused" in job.error_message.lower()
        self.promises.check("and says why", refused, job.error_message)

    def _repair(self, job_id: UUID, worker: Process, login: Login) -> None:
        self._screen.chapter("The mail server is back")
        self._stage.mailbox.switch_on()
        plan, before = actions.plan_retry(job_id, "report"), steps(job_id)
        self._screen.code('actions.retry_from(job_id, "report")')
        self._screen.fact("reused", ", ".join(plan.reused))
        self._screen.fact("again", ", ".join(plan.again))
        actions.retry_from(job_id, "report", actor=login.user, reason="the mail server is back")
        watch = Watch(self._screen, job_id, worker)
        watch.told.update(plan.reused)
        watch.until(lambda: state_of(job_id) in FINAL, "the mail")
        self._screen.gap()
        self._screen.lines(_letter(self._stage.mailbox.received))
        self._screen.gap()
        kept = (*_BEFORE_LOAD, "load")
        self.promises.equal("the plan was to reuse three steps", tuple(plan.reused), kept)
        evidence.untouched(self.promises, job_id, {name: before[name] for name in kept})
        report = steps(job_id)["report"].checkpoint or {}
        evidence.mailed(self.promises, self._stage.mailbox.received, report.get("subject", ""))

    def _replay(self, job_id: UUID, worker: Process, login: Login) -> None:
        self._screen.chapter("The bad rows once more")
        self._screen.say(
            "After a rule has been changed, an operator can have the rejected rows judged"
            " again, and only them, before the load is retried. Here the rules are as they"
            " were, and so is the answer."
        )
        before = steps(job_id)
        self._screen.code('actions.replay_skipped(job_id, "validate")')
        count = actions.replay_skipped(job_id, "validate", actor=login.user, reason="to show it")
        self._screen.fact("validate", f"{count} rows are judged again")
        self._screen.gap()
        watch = Watch(self._screen, job_id, worker)
        watch.told.update(before)
        watch.until(lambda: len(evidence.attempts(job_id)) > _THIRD, "the replay")
        evidence.replayed(self.promises, job_id, before)

    def _look_back(self, job_id: UUID) -> None:
        self._screen.chapter("What is on record")
        for one in evidence.attempts(job_id):
            seconds = (one.finished_at - one.started_at).total_seconds()
            place = f"from {one.resumed_from}" if one.resumed_from else ""
            error = one.error_class.rpartition(".")[2]
            told = f"{one.outcome:<10} {seconds:6.1f} s  {place:<12} {error}"
            self._screen.fact(f"attempt {one.number}", told.rstrip())
        self._screen.gap()
        evidence.on_record(self.promises, job_id)
        self.promises.equal("the site answers", site.status(self._stage.port), 200)

    def _sum_up(self, seconds: float) -> None:
        made, broken = self.promises.made, self.promises.broken
        self._screen.chapter(f"{made - len(broken)} of {made} promises kept, in {seconds:.0f} s")
        for promise in broken:
            self._screen.tick(promise, kept=False)

    def point_around(self, login: Login) -> None:
        """Say where to look now."""
        self._screen.chapter("Look around")
        if page := site.page_of(self.job_id, self._stage.port):
            self._screen.fact("the job", page)
        if page := site.page_of(self.batch_id, self._stage.port, "batch"):
            self._screen.fact("the batch", page)
        self._screen.fact("branches", site.address(self._stage.port, "shop_branch"))
        self._screen.fact("user", login.name)
        self._screen.fact("password", login.password)
        self._screen.gap()
        self._screen.say("The site and the worker go on running. Ctrl-C stops everything.")


def _database() -> tuple[str, str]:
    """Return what the database is, and a note about it."""
    if connection.vendor == "sqlite":
        return "SQLite", "a file; write-ahead log, immediate transactions"
    settings: dict[str, Any] = connection.settings_dict
    return connection.display_name, f"{settings['NAME']} on {settings['HOST']}"


def _standing(step: Step) -> str:
    return f"{step.name} {step.state}"


def _letter(mails: list[Any]) -> list[str]:
    """Return the head and the first lines of the first mail."""
    if not mails:
        return ["(no mail)"]
    body = mails[0].get_content().splitlines()
    head = [f"{name}: {mails[0][name]}" for name in ("From", "To", "Subject")]
    return [*head, "", *body[:9], "..."]
