"""Regions: the parts of a page, each drawn by a template of its own.

The page shows them in order; the live address draws the same regions again, so that what
moves and what is loaded anew can never differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from django.db.models.functions import Substr

from celery_jobman.admin.access import Deed, may
from celery_jobman.insight.workforce import is_dead
from celery_jobman.models import Attempt, Step, Worker
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from django.http import HttpRequest

    from celery_jobman.admin.hooks import DisplayHooks
    from celery_jobman.models import Job

#: Most attempts, and most steps, that one page reads.
MOST_ATTEMPTS = 200
MOST_STEPS = 2_000
#: Most characters of an error that a page reads; the log has all of it.
ERROR_LENGTH = 500


class AnySubject(Protocol):
    """What the page is about: a job, or a batch."""

    #: Where the templates of its regions are, below ``admin/jobman/``.
    folder: ClassVar[str]

    @property
    def request(self) -> HttpRequest:
        """The request."""

    @property
    def now(self) -> datetime:
        """The moment of the request."""

    @property
    def surroundings(self) -> Mapping[str, Any]:
        """What the template of every region may read."""

    def may(self, deed: Deed) -> bool:
        """Return whether the user may do this to it."""


@dataclass(frozen=True)
class Subject:
    """What a region is told.  Rows that several regions need are read once."""

    folder: ClassVar[str] = "job"

    admin: DisplayHooks
    request: HttpRequest
    #: Read now; big columns are deferred.
    job: Job
    now: datetime

    @property
    def surroundings(self) -> Mapping[str, Any]:
        """What the template of every region may read."""
        return {"job": self.job, "now": self.now, "subject": self}

    def may(self, deed: Deed) -> bool:
        """Return whether the user may do this to the job."""
        return may(self.request.user, deed, self.job)

    @cached_property
    def worker(self) -> Worker | None:
        """The worker that holds the job, or held it last."""
        if self.job.worker_id is None:
            return None
        return Worker.objects.filter(pk=self.job.worker_id).first()

    @cached_property
    def is_orphaned(self) -> bool:
        """Whether the job runs, as its row says, on a worker that is dead."""
        runs = self.job.state == State.RUNNING
        return runs and self.worker is not None and is_dead(self.worker, self.now)

    @cached_property
    def attempts(self) -> list[Attempt]:
        """The newest attempts that ended, without their tracebacks."""
        rows = Attempt.objects.filter(job_id=self.job.pk).order_by("-number")
        error = Substr("error_message", 1, ERROR_LENGTH)
        return list(rows.defer("traceback", "error_message").annotate(error=error)[:MOST_ATTEMPTS])

    @cached_property
    def steps(self) -> list[Step]:
        """The steps that count, in the order of their first use, without what they saved."""
        rows = Step.objects.filter(job_id=self.job.pk, superseded=0).order_by("position")
        return list(rows.defer("result", "cursor", "skipped", "error_message")[:MOST_STEPS])


S = TypeVar("S", bound=AnySubject)


class Region(NamedTuple, Generic[S]):
    """One part of a page about an ``S``."""

    #: Its ``data-jobman-region``, and the name of its template ``admin/jobman/…/_<name>.html``.
    name: str
    #: Returns what the template reads.  An empty mapping leaves the region out.
    context: Callable[[S], Mapping[str, Any]]
    #: What the user must be allowed besides seeing the page; otherwise it is left out.
    deed: Deed | None = None
    #: Drawn again while the page is open.
    live: bool = True
