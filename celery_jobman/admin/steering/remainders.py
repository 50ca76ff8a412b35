"""Remainders: the jobs of a bulk action that one request had no time for.

They lie between two ids, so that going on takes neither the jobs that were done nor any that
were made since.  The form carries them signed: what comes back is what was given out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from django.core import signing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from celery_jobman.models import Job

SALT = "jobman.bulk"


class Pace(NamedTuple):
    """How the times of jobs follow one another; also across the requests of one action."""

    begun: datetime
    #: Jobs that had their turn in earlier requests, and all that there are.
    before: int
    total: int

    def slot(self, number: int, span: timedelta) -> datetime:
        """Return the time of a job of this request, counted from 0, in an even spread."""
        return self.begun + span * ((self.before + number) / max(self.total, 1))

    def later(self, done: int) -> Self:
        """Return the pace of what is left."""
        return self._replace(before=self.before + done)


class Remainder(NamedTuple):
    """What is left, from the newest job to the oldest."""

    newest: UUID
    oldest: UUID
    pace: Pace

    @classmethod
    def of(cls, jobs: Sequence[Job], pace: Pace) -> Self:
        """Return what is left when these jobs are, the newest first."""
        return cls(jobs[0].pk, jobs[-1].pk, pace)

    def among(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the jobs of it that still match."""
        return queryset.filter(pk__lte=self.newest, pk__gte=self.oldest)

    def signed(self) -> str:
        """Return it as text that nobody else can write."""
        begun, before, total = self.pace
        ids = [str(self.newest), str(self.oldest)]
        return signing.dumps([*ids, begun.isoformat(), before, total], salt=SALT)


def read(text: str) -> Remainder | None:
    """Return the remainder that a form carries; None if it carries none of ours."""
    try:
        newest, oldest, begun, before, total = signing.loads(text, salt=SALT)
    except signing.BadSignature:
        return None
    pace = Pace(datetime.fromisoformat(begun), before, total)
    return Remainder(UUID(newest), UUID(oldest), pace)
