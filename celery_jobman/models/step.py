"""A step: a named, resumable part of a job; what it saved is its checkpoint."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import JobmanModel, RoutedManager
from celery_jobman.models.job import Job

#: Longest path of a step; nested steps are paths such as ``load/images``.
STEP_LENGTH = 200


class StepState(models.TextChoices):
    """Where a step stands."""

    RUNNING = "running", _("Running")
    """An iteration saved a cursor and is not through."""

    SUCCEEDED = "succeeded", _("Succeeded")
    """Its checkpoint is stored; it does not run again."""

    FAILED = "failed", _("Failed")
    """It raised; the next attempt runs it again (an iteration: from its cursor)."""

    REPLAYING = "replaying", _("Replaying")
    """The next attempt runs only the items that were skipped."""


class Step(JobmanModel):
    """One step of one job."""

    job = models.ForeignKey(
        Job,
        verbose_name=_("job"),
        on_delete=models.CASCADE,
        related_name="steps",
        db_index=False,  # the unique constraint begins with it
        db_constraint=False,  # its check would lock the job's row against the supervisor (MySQL)
    )
    name = models.CharField(_("name"), max_length=STEP_LENGTH)
    #: Place in the order in which the steps began, over all attempts, counted from 0.
    position = models.PositiveIntegerField(_("position"))
    state = models.CharField(_("state"), max_length=16, choices=StepState)
    #: The attempt that wrote the row last.
    attempt = models.PositiveIntegerField(_("attempt"))
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    #: What the step returned, as JSON text.
    result = models.TextField(_("result"), null=True, blank=True)  # noqa: DJ001 - null: no result yet
    #: Where an iteration goes on, as JSON text.
    cursor = models.TextField(_("cursor"), null=True, blank=True)  # noqa: DJ001 - null: at the start
    done = models.PositiveBigIntegerField(_("done"), null=True, blank=True)
    total = models.PositiveBigIntegerField(_("total"), null=True, blank=True)
    #: Items an iteration passed over: a list of ``{"index", "item", "error"}``.
    skipped = models.JSONField(_("skipped items"), default=list, blank=True)
    error_message = models.TextField(_("error"), blank=True, default="")
    #: 0 for the live row; otherwise the number of the job's rewind that set it aside.
    superseded = models.PositiveIntegerField(_("set aside by rewind"), default=0)

    objects = RoutedManager["Step"]()

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering: ClassVar = ["job", "superseded", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "name", "superseded"], name="jobman_step_name"),
        ]

    def __str__(self) -> str:
        return f"step {self.name} of {self.job_id}"

    @property
    def checkpoint(self) -> Any:
        """The stored return value, as it reads back from JSON."""
        return None if self.result is None else json.loads(self.result)

    @property
    def cursor_value(self) -> Any:
        """The stored cursor, as it reads back from JSON; None at the start."""
        return None if self.cursor is None else json.loads(self.cursor)
