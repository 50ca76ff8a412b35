"""A log line: one logging record that was made while a job ran."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import JobmanModel, RoutedManager


class LogLine(JobmanModel):
    """One line of a job's log.  Rows are only ever added; their id is the tail's cursor."""

    id = models.BigAutoField(primary_key=True)
    #: Not a foreign key: lines are written in bulk, and deleted on their own clock.
    job_id = models.UUIDField(_("job"))
    attempt = models.PositiveIntegerField(_("attempt"))
    step = models.CharField(_("step"), max_length=200, blank=True, default="")
    at = models.DateTimeField(_("at"))
    #: As in :mod:`logging`: 10 debug, 20 info, 30 warning, 40 error, 50 critical.
    level = models.PositiveSmallIntegerField(_("level"))
    logger = models.CharField(_("logger"), max_length=200)
    message = models.TextField(_("message"))
    extra = models.JSONField(_("extra"), null=True, blank=True)

    objects = RoutedManager["LogLine"]()

    class Meta:
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["job_id", "id"], name="jobman_log_job_idx")]

    def __str__(self) -> str:
        return self.message
