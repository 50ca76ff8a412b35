"""A trouble: something that could not be done for one job or batch, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import JobmanModel, RoutedManager
from celery_jobman.models.reading import JobmanQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable


class Duty(models.TextChoices):
    """What was to be done."""

    END = "end", _("Write its end")
    """The end of a job was written without a part of it, or is not written yet."""

    BEGIN = "begin", _("Begin it")
    """A worker that took a job's message could not claim the job."""

    RESCUE = "rescue", _("Take it back")
    """A job of a dead worker could not be taken back."""

    DISPATCH = "dispatch", _("Send it")
    """A job that is due could not be given to the broker, for a reason of its own."""

    REDELIVER = "redeliver", _("Send it again")
    """A job whose message was lost could not be sent again."""

    CANCEL = "cancel", _("Stop it")
    """A job that ignores its cancel could not be stopped by force."""

    MEMBERS = "members", _("Release or cancel its members")
    """Members of a batch could not be released, or ended."""

    PRUNE = "prune", _("Delete it")
    """A job could not be deleted."""


class TroubleQuerySet(JobmanQuerySet["Trouble"]):
    """Named questions about troubles."""

    def of(self, row_ids: Iterable[Any]) -> Self:
        """Troubles of these jobs or batches, newest first."""
        return self.filter(row_id__in=list(row_ids)).order_by("-tried_at")


TroubleManager = RoutedManager.from_queryset(TroubleQuerySet)


class Trouble(JobmanModel):
    """One thing that could not be done for one row, which is set aside so that others go on.

    The row is a job or a batch.  There is at most one trouble for each duty and row; it is
    deleted when the duty was done after all, or the row is gone.
    """

    id = models.BigAutoField(primary_key=True)
    duty = models.CharField(_("duty"), max_length=16, choices=Duty)
    #: Not a foreign key: what is wrong with a row must not keep its trouble from being noted.
    row_id = models.UUIDField(_("job or batch"))
    #: Class and message of the error, and what was done instead.
    error = models.TextField(_("error"))
    tries = models.PositiveIntegerField(_("tries"), default=1)
    since = models.DateTimeField(_("since"))
    tried_at = models.DateTimeField(_("last tried"))
    #: Nobody tries before this moment; null when there is nothing left to try.
    again_at = models.DateTimeField(_("tried again"), null=True, blank=True)

    objects = TroubleManager()

    class Meta:
        verbose_name = _("trouble")
        verbose_name_plural = _("troubles")
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["row_id", "duty"], name="jobman_trouble_row_duty"),
        ]

    def __str__(self) -> str:
        return f"{self.duty} of {self.row_id}: {self.error}"
