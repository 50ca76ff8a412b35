"""Workforce: which workers live, what they consume, and how busy they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery_jobman.conf import settings
from celery_jobman.models import Job, Worker
from celery_jobman.runtime import installation
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.models.job import JobQuerySet


def hire(queue: str = "") -> str:
    """Return the command that starts a worker, for a queue if one is named."""
    chosen = f" -Q {queue}" if queue else ""
    return f"celery -A {installation.app_path() or 'PROJECT'} worker{chosen}"


def is_dead(worker: Worker, now: datetime) -> bool:
    """Return whether a worker, as its row was read, said goodbye or has been silent for too long.

    This goes by the clock of whoever asks; :class:`Workforce` by the database's.
    """
    return worker.stopped_at is not None or now - worker.seen_at > settings().worker_lost_after


@dataclass(frozen=True, slots=True)
class Workforce:
    """The workers that are alive."""

    workers: Sequence[Worker]

    @classmethod
    def now(cls) -> Workforce:
        """Return the workers that are alive now, by the database's clock."""
        return cls(tuple(Worker.objects.alive(settings().worker_lost_after)))

    @property
    def queues(self) -> list[str]:
        """Names of the queues that are consumed."""
        return sorted({name for worker in self.workers for name in worker.queues})

    @property
    def processes(self) -> int:
        """How many jobs can run at once."""
        return sum(worker.concurrency for worker in self.workers)

    @property
    def reserved(self) -> int:
        """How many messages they hold that they have not begun."""
        return sum(worker.reserved for worker in self.workers)

    def has(self, worker: Worker) -> bool:
        """Return whether a worker is among these."""
        return worker.id in self._ids

    def busy(self) -> int:
        """Return how many jobs run on these workers."""
        return Job.objects.filter(state=State.RUNNING, worker_id__in=self._ids).count()

    def consuming(self, queue: str) -> Workforce:
        """Return those that consume a queue."""
        return Workforce(tuple(each for each in self.workers if queue in each.queues))

    def orphans(self) -> JobQuerySet:
        """Return the jobs that run, as their rows say, on none of these workers."""
        running = Job.objects.filter(state=State.RUNNING, worker_id__isnull=False)
        return running.exclude(worker_id__in=self._ids).without_payloads()

    @property
    def _ids(self) -> list[UUID]:
        return [worker.id for worker in self.workers]
