"""A worker: one start of ``celery worker``, and its last sign of life."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import DatabaseClock, JobmanModel, RoutedManager
from celery_jobman.models.reading import JobmanQuerySet

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class WorkerQuerySet(JobmanQuerySet["Worker"]):
    """Named questions about workers."""

    # Signs of life are given by the database's clock, so they are judged by it too; a test
    # may name another moment.

    def alive(self, silence: timedelta, now: datetime | None = None) -> Self:
        """Workers that gave a sign of life within ``silence`` and did not stop."""
        return self.filter(stopped_at__isnull=True, seen_at__gte=(now or DatabaseClock()) - silence)

    def dead(self, silence: timedelta, now: datetime | None = None) -> Self:
        """Workers that stopped, or gave no sign of life for ``silence``."""
        quiet = Q(seen_at__lt=(now or DatabaseClock()) - silence)
        return self.filter(Q(stopped_at__isnull=False) | quiet)


WorkerManager = RoutedManager.from_queryset(WorkerQuerySet)


class Worker(JobmanModel):
    """One start of one worker."""

    #: Made when the worker process starts: two starts under one name are two workers.
    id = models.UUIDField(primary_key=True, editable=False)
    hostname = models.CharField(_("name"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    pool = models.CharField(_("pool"), max_length=32)
    concurrency = models.PositiveIntegerField(_("concurrency"), default=0)
    queues = models.JSONField(_("queues"), default=list)
    #: Messages it has taken from the broker and not begun.
    reserved = models.PositiveIntegerField(_("reserved"), default=0)
    versions = models.JSONField(_("versions"), default=dict)
    started_at = models.DateTimeField(_("started"))
    seen_at = models.DateTimeField(_("last seen"))
    #: It said goodbye.  Jobs it still held then are taken back at once.
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)

    objects = WorkerManager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering: ClassVar = ["-seen_at"]

    def __str__(self) -> str:
        return self.hostname
