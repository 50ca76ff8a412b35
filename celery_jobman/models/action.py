"""An action: what a person did to a job, when, why, and what changed."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import JobmanModel, RoutedManager


class JobAction(JobmanModel):
    """One audited action.  Rows are only ever added, and outlive the job."""

    id = models.BigAutoField(primary_key=True)
    #: Null when the action was on many jobs; ``changes`` then holds the filter and the count.
    job_id = models.UUIDField(_("job"), null=True, blank=True)
    at = models.DateTimeField(_("at"))
    verb = models.CharField(_("verb"), max_length=32)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    #: Who, in words: a user's name, or the operating system's user of a command.
    actor = models.CharField(_("actor"), max_length=200)
    reason = models.TextField(_("reason"), blank=True, default="")
    changes = models.JSONField(_("changes"), default=dict, blank=True)

    objects = RoutedManager["JobAction"]()

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["job_id", "id"], name="jobman_action_job_idx")]

    def __str__(self) -> str:
        return f"{self.verb} by {self.actor}"
