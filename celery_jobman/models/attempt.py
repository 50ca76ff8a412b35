"""An attempt: one execution of a job, written once, when the execution ends."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import JobmanModel, RoutedManager
from celery_jobman.models.job import Job


class Outcome(models.TextChoices):
    """How an execution ended."""

    SUCCEEDED = "succeeded", _("Succeeded")
    """The task returned."""

    FAILED = "failed", _("Failed")
    """The task raised."""

    TIMED_OUT = "timed out", _("Timed out")
    """A time limit ran out."""

    LOST = "lost", _("Lost")
    """The process or the worker that ran it died."""

    RELEASED = "released", _("Released")
    """The task put itself back."""

    INTERRUPTED = "interrupted", _("Interrupted")
    """The worker was stopping."""

    CANCELLED = "cancelled", _("Cancelled")
    """A person asked it to stop."""


#: Outcomes that count against ``max_attempts``.
FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})


class Trigger(models.TextChoices):
    """Why an attempt ran."""

    AUTOMATIC = "automatic", _("Automatic")
    """The first attempt, a back-off, a release or an interrupt."""

    OPERATOR = "operator", _("Operator")
    """A person retried the job."""

    RESCUE = "rescue", _("Rescue")
    """The attempt before it was lost with its worker."""

    REQUEUE = "requeue", _("Requeue")
    """The task rejected its message so that it came again."""


#: Triggers whose attempts Celery's ``request.delivery_info`` shows as redelivered.
REDELIVERED = frozenset({Trigger.RESCUE, Trigger.REQUEUE})


class Attempt(JobmanModel):
    """One execution of a job.  Rows are only ever added."""

    job = models.ForeignKey(
        Job,
        verbose_name=_("job"),
        on_delete=models.CASCADE,
        related_name="attempts",
        db_index=False,  # the unique constraint begins with it
    )
    #: Counted from 1 for each job.
    number = models.PositiveIntegerField(_("number"))
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"))
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome)
    error_class = models.CharField(_("error class"), max_length=200, blank=True, default="")
    error_message = models.TextField(_("error"), blank=True, default="")
    traceback = models.TextField(_("traceback"), blank=True, default="")
    worker_id = models.UUIDField(_("worker"), null=True, blank=True)
    hostname = models.CharField(_("host name"), max_length=255, blank=True, default="")
    pid = models.PositiveIntegerField(_("process id"), null=True, blank=True)
    #: First step that ran anew, when checkpoints of earlier attempts were reused.
    resumed_from = models.CharField(_("resumed from"), max_length=200, blank=True, default="")
    trigger = models.CharField(
        _("trigger"), max_length=16, choices=Trigger, default=Trigger.AUTOMATIC
    )
    code_version = models.CharField(_("code version"), max_length=64, blank=True, default="")
    #: Log lines of this attempt that could not be kept.
    lines_dropped = models.PositiveIntegerField(_("lines dropped"), default=0)

    objects = RoutedManager["Attempt"]()

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering: ClassVar = ["job", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number"], name="jobman_attempt_number"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.job_id}"
