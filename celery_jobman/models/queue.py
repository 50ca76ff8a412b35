"""A queue: a name that jobs were sent to, and whether it is paused."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import JobmanModel, RoutedManager


class Queue(JobmanModel):
    """A broker queue that a worker consumes or a job was sent to."""

    name = models.CharField(_("name"), max_length=255, primary_key=True)
    #: When a worker last said that it consumes the queue.
    consumed_at = models.DateTimeField(_("last consumed"), null=True, blank=True)

    objects = RoutedManager["Queue"]()

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
