"""Sight: the jobs and the batches that a user may see, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery_jobman.admin import badges
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.batch import naming
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import pages
from celery_jobman.models import Batch, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.hooks import DisplayHooks


@dataclass(frozen=True)
class Jobs:
    """What the admin of jobs says of them to one user; nothing where the site shows no jobs."""

    request: HttpRequest
    #: None when the site has no such admin.
    admin: DisplayHooks | None
    #: Returns the address of a job's page.
    page: Callable[[object], str]

    @classmethod
    def of(cls, admin: ModelAdmin[Any], request: HttpRequest) -> Jobs:
        """Return the jobs of the site that an admin belongs to."""
        site = admin.admin_site
        if not site.is_registered(Job):
            return cls(request, None, lambda _job_id: "")
        found: Any = site.get_model_admin(Job)
        return cls(request, found, pages(found))

    @property
    def rows(self) -> QuerySet[Job]:
        """The jobs that may be seen, by the admin's own rule, without what is big."""
        if self.admin is None or not self.may(Deed.VIEW):
            return Job.objects.none()
        return self.admin.get_queryset(self.request).defer("own_args")

    def may(self, deed: Deed, job: Job | None = None) -> bool:
        """Return whether the user may do this to a job, or in general."""
        return may(self.request.user, deed, job)

    def seen(self, rows: Iterable[Job]) -> list[Job]:
        """Return those of some jobs that the user may see."""
        return [row for row in rows if self.may(Deed.VIEW, row)]

    def called(self, job: Job) -> str:
        """Return what a job is called."""
        return visible(str(self.admin.display_name(job))) if self.admin else visible(job.task)

    def badge(self, job: Job, now: datetime) -> Badge:
        """Return how a job's state looks."""
        return badges.of(job, now)


@dataclass(frozen=True)
class Batches:
    """What the admin of batches says of them to one user; nothing where the site has none."""

    request: HttpRequest
    admin: ModelAdmin[Any] | None

    @classmethod
    def of(cls, admin: ModelAdmin[Any], request: HttpRequest) -> Batches:
        """Return the batches of the site that an admin belongs to."""
        site = admin.admin_site
        return cls(request, site.get_model_admin(Batch) if site.is_registered(Batch) else None)

    @property
    def rows(self) -> QuerySet[Batch]:
        """The batches that may be seen, by the admin's own rule, without what is big."""
        if self.admin is None or not may(self.request.user, Deed.VIEW_BATCH):
            return Batch.objects.none()
        return self.admin.get_queryset(self.request)

    def seen(self, rows: Iterable[Batch]) -> list[Batch]:
        """Return those of some batches that the user may see."""
        return [row for row in rows if may(self.request.user, Deed.VIEW_BATCH, row)]

    @cached_property
    def page(self) -> Callable[[object], str]:
        """Returns the address of a batch's page."""
        return pages(self.admin) if self.admin else lambda _batch_id: ""

    def called(self, batch: Batch) -> str:
        """Return what a batch is called."""
        return naming.called(batch)

    def badge(self, batch: Batch, now: datetime) -> Badge:  # noqa: ARG002 - as a job's
        """Return how a batch's state looks."""
        return naming.badge(batch)
