"""Families: the rows that belong together, and what has become of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery_jobman.insight import explanation
from celery_jobman.insight.troubles import troubles
from celery_jobman.models import Attempt, Batch, Job, Role, Step, Trouble
from celery_jobman.states import State
from tests.integration.injection import errors
from tests.integration.injection.world import adds_up

if TYPE_CHECKING:
    from datetime import datetime


def everybody() -> set[UUID]:
    """Return the ids of all jobs and batches."""
    return set(Job.objects.values_list("pk", flat=True)) | set(
        Batch.objects.values_list("pk", flat=True)
    )


def grown(seeds: set[UUID]) -> set[UUID]:
    """Return ids with those of all that follows from them."""
    known = set(seeds)
    while True:
        jobs = Job.objects.values_list("pk", "parent_id", "batch_id", "root_id", "retry_of")
        more = {row[0] for row in jobs if _names(row[1:]) & known}
        batches = Batch.objects.values_list("pk", "root_id", "batch_id")
        more |= {row[0] for row in batches if _names(row[1:]) & known}
        if more <= known:
            return known
        known |= more


def _names(values: tuple[Any, ...]) -> set[UUID]:
    found = set()
    for value in values:
        if isinstance(value, UUID):
            found.add(value)
        elif isinstance(value, str) and len(value) == 36:
            found.add(UUID(value))
    return found


class Family:
    """The subject, or the bystander, of a scene."""

    def __init__(self, ids: set[UUID]) -> None:
        self.ids = ids

    @property
    def jobs(self) -> list[Job]:
        return list(Job.objects.filter(pk__in=self.ids).order_by("pk"))

    @property
    def batches(self) -> list[Batch]:
        return list(Batch.objects.filter(pk__in=self.ids).order_by("pk"))

    @property
    def rows(self) -> list[Job | Batch]:
        return [*self.jobs, *self.batches]

    def has_ended(self) -> bool:
        """Whether no row of it waits or runs."""
        return all(row.is_final for row in self.rows)

    def ends(self) -> Counter[tuple[str, str, str]]:
        """Return how its rows ended."""
        counted = (job for job in self.jobs if job.role != Role.PROGRESS)  # by the clock
        jobs = ((job.task, str(job.role), str(job.state)) for job in counted)
        batches = ((str(row.kind), "batch", str(row.state)) for row in self.batches)
        return Counter([*jobs, *batches])

    def left(self) -> list[str]:
        """Return, in words, what waits or runs."""
        return [f"{row!r} is {row.state}" for row in self.rows if not row.is_final]

    def faults(self) -> list[str]:
        """Return what is wrong with rows that have all ended."""
        found = self.left()
        for batch in self.batches:
            if not adds_up(batch):
                found.append(f"the counts of {batch!r} are not those of its members")
            found += self._calls(batch)
        stale = Trouble.objects.filter(row_id__in=self.ids, again_at__isnull=False)
        found += [f"a trouble that is over is still told of: {each}" for each in stale]
        return found

    def _calls(self, batch: Batch) -> list[str]:
        """Return which callbacks of a batch are missing, or there too often."""
        roles = Counter(job.role for job in self.jobs if job.batch_id == batch.pk)
        found = []
        if '"finally"' in batch.callbacks and roles[Role.FINALLY] != batch.finishes:
            found.append(Role.FINALLY)
        if '"then"' in batch.callbacks and batch.state == State.SUCCEEDED and not roles[Role.THEN]:
            found.append(Role.THEN)
        return [
            f"{batch!r} finished {batch.finishes} times and has {roles[role]} callbacks {role!s}"
            for role in found
            if not self._is_told(batch.pk, "callbacks")
        ]

    @staticmethod
    def _is_told(row_id: UUID, word: str) -> bool:
        return Trouble.objects.filter(row_id=row_id, error__contains=word).exists()

    def says_why(self, now: datetime) -> bool:
        """Whether one of its rows names the error that was injected."""
        told = [explanation.why(job, now) for job in self.jobs]
        told += [troubles(batch.pk, now) for batch in self.batches]
        told += [batch.error_message for batch in self.batches]
        return any(errors.WORDS in each for each in told)

    def snapshot(self) -> list[Any]:
        """Return all that is written of it."""
        children = {"job_id__in": self.ids}
        return [
            list(Job.objects.filter(pk__in=self.ids).order_by("pk").values()),
            list(Batch.objects.filter(pk__in=self.ids).order_by("pk").values()),
            list(Attempt.objects.filter(**children).order_by("pk").values()),
            list(Step.objects.filter(**children).order_by("pk").values()),
        ]
