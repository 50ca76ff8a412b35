"""Keeping: what a worker's main process does for the jobs, in one thread beside the event loop.

The thread gives the heartbeat, dispatches what is due, rescues what dead workers held, sends
lost messages again, kills the process of a job whose cancel was ignored, and ends attempts
whose process died.  Notes from the event loop arrive in its inbox, on which it also sleeps.
It never gives up: what fails is logged and tried again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import celery
import django
from celery.worker import state as celery_state
from django.db import connections
from django.utils import timezone

from celery_jobman import __version__
from celery_jobman.conf import settings
from celery_jobman.core import (
    cancellation,
    dispatching,
    errands,
    redelivery,
    rescue,
    troubles,
    workers,
)
from celery_jobman.core.troubles import Aside, pause
from celery_jobman.models import Duty, Job, Worker
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.runtime import broker, forking, hinting, queues, results, running, tables
from celery_jobman.runtime.connection import OUTAGE
from celery_jobman.runtime.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.models.worker import WorkerQuerySet
    from celery_jobman.runtime.identity import Identity

    Note = Callable[[Identity], object]

logger = logging.getLogger("celery_jobman")

#: Seconds that a body has to honour a cancel raised inside it before its process is killed.
KILL_AFTER = timedelta(seconds=5)
#: Jobs dispatched before the clock is looked at again.
SLICE = 500
#: Seconds that one turn of the dispatcher, and one with the batches, may take.
LONGEST_DISPATCH = 2.0
#: Seconds between two looks for messages that the broker lost.
LOOK_FOR_LOST = 5.0
#: Seconds between two looks for troubles that are over.
FORGET_TROUBLES = 30.0
#: Seconds between two notes that queues have a consumer.
NOTE_QUEUES = 30.0

#: Tries of a note while the database is away, one a second.
TRIES = 600

#: Tries of a note that fails for a reason of its own, the last an hour after the one before.
REFUSALS = 100

_inbox: SimpleQueue[Note] = SimpleQueue()


@dataclass(slots=True)
class _Waiting:
    """A note, and how often it could not be followed."""

    work: Note
    due: float = 0.0
    tries: int = 0
    #: How many of them failed for a reason of the note's own.
    refusals: int = 0


def note(work: Note) -> None:
    """Leave a note for the thread; returns at once.

    Args:
        work: Called in the thread with this worker's identity; it may use the database.
    """
    _inbox.put(work)


class Keeping(Thread):
    """The thread."""

    def __init__(self, controller: Any, me: Identity) -> None:
        super().__init__(name="jobman-keeper", daemon=True)
        self.controller = controller
        self.me = me
        self.leaving = False
        # Before anything is published: publishing to a queue adds it to the app's.
        self.queues = sorted(controller.app.amqp.queues.consume_from)
        self.pulse = Pulse()
        self._due: dict[Callable[[], object], float] = {}
        #: Notes that could not be followed yet.
        self._waiting: list[_Waiting] = []
        #: By queue: the messages that were missing at the last look.
        self._missing: dict[str, int] = {}
        #: Queues whose messages cannot be counted.
        self._untold: set[str] = set()
        #: The batch that was gone on with last, if there was no time for those behind it.
        self._errand: UUID | None = None

    def run(self) -> None:
        """Work until the worker ends, or the process."""
        running.disown_thread()
        while not self.leaving:
            for duty, period in self._duties():
                if time.monotonic() >= self._due.get(duty, 0.0):
                    self._due[duty] = time.monotonic() + period
                    self._attempt(duty)
            self._read_inbox()
        connections.close_all()

    def leave(self, seconds: float) -> None:
        """End the thread, and wait for that as long."""
        self.leaving = True
        note(lambda _me: None)  # it sleeps on its inbox
        self.join(seconds)

    def _duties(self) -> list[tuple[Callable[[], object], float]]:
        chosen = settings()
        return [
            (self.beat, chosen.heartbeat.total_seconds()),
            (self.dispatch, chosen.dispatch_every.total_seconds()),
            (self.run_errands, chosen.dispatch_every.total_seconds()),
            (self.rescue, chosen.rescue_every.total_seconds()),
            (self.redeliver, LOOK_FOR_LOST),
            (self.enforce, 1.0),
            (self.note_queues, NOTE_QUEUES),
            (self.forget_troubles, FORGET_TROUBLES),
        ]

    def _attempt(self, duty: Callable[[], object]) -> None:
        with forking.guard.undisturbed():  # what went wrong is logged in here: that locks too
            try:
                duty()
            except OUTAGE as error:
                if not tables.explains(error):
                    logger.warning("Keeper's duty put off duty=%s error=%r", duty.__name__, error)
                connections.close_all()
                self._due.pop(self.beat, None)  # the first thing to do when the database is back
            except Exception as error:
                if not tables.explains(error):
                    logger.exception("Keeper's duty failed duty=%s", duty.__name__)
                connections.close_all()

    def _read_inbox(self) -> None:
        wait = settings().dispatch_every.total_seconds()
        with suppress(Empty):
            self._waiting.append(_Waiting(_inbox.get(timeout=min(wait, 1.0))))
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if each.due > time.monotonic() or not self._follow(each):
                self._put_off(each)

    def _follow(self, each: _Waiting) -> bool:
        """Do what a note says; return False when that is to be tried again."""
        with forking.guard.undisturbed():
            try:
                each.work(self.me)
            except Exception as error:
                each.tries += 1
                connections.close_all()
                if not is_refusal(error):
                    logger.warning("Keeper's note put off error=%r", error)
                    return False
                logger.exception("Keeper's note failed")
                each.due = time.monotonic() + pause(each.refusals).total_seconds()
                each.refusals += 1
                return False
            return True

    def _put_off(self, each: _Waiting) -> None:
        """Keep a note for the next turn: a sign of life that is due comes first."""
        if each.tries - each.refusals < TRIES and each.refusals < REFUSALS:
            self._waiting.append(each)
            return
        with forking.guard.undisturbed():
            logger.error("Keeper's note given up after %s tries", each.tries)

    def beat(self) -> None:
        """Give the worker's sign of life."""
        reserved = len(celery_state.reserved_requests) - len(celery_state.active_requests)
        with self.pulse.beating():
            if not workers.beat(self.me.worker_id, reserved=max(reserved, 0)):
                workers.arrive(self._row())

    def dispatch(self) -> None:
        """Give the broker the jobs that are due, as many as can be done in a moment."""
        deadline, sent = time.monotonic() + LONGEST_DISPATCH, SLICE
        while sent == SLICE and time.monotonic() < deadline:
            with results.gathered():
                sent = dispatching.dispatch_due(
                    broker.publish_all, now=timezone.now(), limit=SLICE, expired=results.cancelled
                )

    def run_errands(self) -> None:
        """Go on with the batches whose members are to be released or ended, in turns."""
        until = time.monotonic() + LONGEST_DISPATCH
        aside = Aside(Duty.MEMBERS, now=timezone.now())
        waiting = deque(errands.outstanding(SLICE, after=self._errand, spared=aside.waiting))
        if self._errand and not waiting:
            waiting = deque(errands.outstanding(SLICE, spared=aside.waiting))
        while waiting:
            self._errand = batch_id = waiting.popleft()
            with aside.guarding(batch_id), hinting.moment():
                if hinting.go_on_with(batch_id):
                    waiting.append(batch_id)
            if time.monotonic() >= until:
                return
        self._errand = None

    def rescue(self) -> None:
        """Take back what dead workers held."""
        rescued = rescue.rescue_lost(judging_silence=self.pulse.is_steady())
        for entry in rescued:
            logger.warning("Job rescued job=%s state=%s", entry.job_id, entry.state)
        results.ended(rescued)

    def redeliver(self) -> None:
        """Send queued jobs again whose messages were missing at two looks."""
        now, after = timezone.now(), settings().redeliver_after
        before, self._missing = self._missing, {}
        overdue = redelivery.overdue(now=now, after=after)
        if not overdue or not self._leads():
            return
        held = sum(self._alive().values_list("reserved", flat=True))
        for queue in overdue:
            messages = queues.depth(queue, self.controller.app)
            if messages is None:
                self._note_untold(queue)
                continue
            missing = redelivery.missing(queue, messages + held)
            lost = min(missing, before.get(queue, 0))
            sent = redelivery.redeliver(
                queue,
                lost,
                broker.publish,
                now=now,
                after=after,
                expired=results.cancelled,
                given_up=results.failed,
            )
            self._missing[queue] = missing - sent
            if sent:
                logger.warning("Lost messages sent again queue=%s count=%s", queue, sent)

    def _note_untold(self, queue: str) -> None:
        """Say once of a queue that nobody can tell which of its messages were lost."""
        if queue not in self._untold:
            self._untold.add(queue)
            logger.warning(
                "Broker does not tell how many messages wait; none is sent again queue=%s", queue
            )

    def _alive(self) -> WorkerQuerySet:
        return Worker.objects.alive(settings().worker_lost_after)

    def _leads(self) -> bool:
        """One worker does it; two would send twice."""
        first = self._alive().order_by("id").values_list("id", flat=True).first()
        return bool(first == self.me.worker_id)

    def enforce(self) -> None:
        """Kill the pool processes of jobs that ignore their cancel (prefork only)."""
        pids = self._pool_pids()
        if not pids:
            return
        now = timezone.now()
        asked = Job.objects.held_by(self.me.worker_id).filter(cancel_requested_at__isnull=False)
        aside = Aside(Duty.CANCEL, now=now)
        for job in asked.filter(pid__in=pids).exclude(pk__in=aside.waiting).without_payloads():
            grace = timedelta() if job.cancel_forced else settings().cancel_grace
            asked_at = job.cancel_requested_at
            if asked_at is not None and now - asked_at > grace + KILL_AFTER:
                with aside.guarding(job.id):
                    self._kill(job, now)

    def _kill(self, job: Job, now: datetime) -> None:
        pid = job.pid
        if pid is not None and cancellation.stop_by_force(job, now=now):
            os.kill(pid, signal.SIGKILL)
            logger.warning("Process of a cancelled job killed job=%s pid=%s", job.id, pid)
            results.cancelled(job.id)

    def _pool_pids(self) -> list[int]:
        pool = getattr(getattr(self.controller, "pool", None), "_pool", None)
        return [process.pid for process in getattr(pool, "_pool", None) or () if process.pid]

    def note_queues(self) -> None:
        """Note which queues this worker consumes."""
        workers.consume(self.queues, now=timezone.now())

    def forget_troubles(self) -> None:
        """Delete the troubles of what was done another way."""
        troubles.forget_settled()

    def _row(self) -> Worker:
        versions = {
            "celery": celery.__version__,
            "celery-jobman": __version__,
            "django": django.get_version(),
            "python": ".".join(map(str, sys.version_info[:3])),
        }
        return Worker(
            id=self.me.worker_id,
            hostname=self.me.hostname,
            pid=os.getpid(),
            pool=self.me.pool,
            concurrency=self.controller.concurrency or 0,
            queues=self.queues,
            versions=versions,
        )
