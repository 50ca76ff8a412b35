"""A batch: jobs that finish together, and what follows when they have.

Every workflow is a tree.  A batch holds **elements** that run side by side; an element is a
sequence of **links** of which each waits for the one before; a link is a job or a batch again.
So a chain is a batch with one element, and a group one whose elements are single jobs.  The
jobs and the batches directly inside a batch are its **members**.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from celery_jobman.models import shares
from celery_jobman.models.database import JobmanModel, RoutedManager
from celery_jobman.models.ids import uuid7
from celery_jobman.models.reading import JobmanQuerySet
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from datetime import datetime


class Kind(models.TextChoices):
    """What a batch was written as; all kinds are joined in the same way."""

    BATCH = "batch", _("Batch")
    """Members side by side, with callbacks."""

    CHAIN = "chain", _("Chain")
    """One element: each link waits for the one before."""

    GROUP = "group", _("Group")
    """Members side by side; their results are a list."""

    CHORD = "chord", _("Chord")
    """A group, and a body that takes the list of its results."""


#: Kinds of one element, whose result is the batch's; those of the others are a list.
SEQUENCES: Final = frozenset({Kind.CHAIN, Kind.CHORD})


class Stopping(models.TextChoices):
    """Why the members of a batch that still wait are being ended."""

    NOT = "", _("Not stopping")
    """They are not."""

    CANCELLED = "cancelled", _("Cancelled")
    """A person cancelled the batch."""

    FAILED = "failed", _("Failed")
    """More members failed than it allows."""

    SKIPPED = "skipped", _("Skipped")
    """What the batch waited for failed or was cancelled."""


class BatchQuerySet(JobmanQuerySet["Batch"]):
    """Named questions about batches.  Methods here read; :mod:`celery_jobman.core` writes."""

    def unfinished(self) -> Self:
        """Batches with members that have not ended."""
        return self.filter(finished_at__isnull=True)

    def finished_before(self, cutoff: datetime) -> Self:
        """Batches that finished strictly before ``cutoff``."""
        return self.filter(finished_at__lt=cutoff)

    def roots(self) -> Self:
        """Whole workflows: batches that are no member of another."""
        return self.filter(batch_id__isnull=True)

    def without_payloads(self) -> Self:
        """Leave the big columns in the database until they are asked for."""
        return self.defer("callbacks", "options")


BatchManager = RoutedManager.from_queryset(BatchQuerySet)


class Batch(JobmanModel):
    """Jobs that finish together.

    The counts are of members, and always what counting their rows would give; a member is
    pending until it has ended.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.BATCH)
    name = models.CharField(_("name"), max_length=255, blank=True, default="")
    #: Blocked, running, or one of the final states.
    state = models.CharField(_("state"), max_length=16, choices=State)

    #: The batch at the top of the workflow: its own id for that one.
    root_id = models.UUIDField(_("workflow"))
    #: The batch that this one is a member of, and where in it; see the columns of a job.
    batch_id = models.UUIDField(_("parent batch"), null=True, blank=True)
    position = models.PositiveIntegerField(_("position"), null=True, blank=True)
    next_id = models.UUIDField(_("next link"), null=True, blank=True)
    follows_id = models.UUIDField(_("link before"), null=True, blank=True)
    allow_failure = models.BooleanField(_("failure allowed"), default=False)
    #: What a retry of the link whose end stopped it starts again.
    stopped_by = models.UUIDField(_("stopped by"), null=True, blank=True)

    total = models.PositiveIntegerField(_("total"), default=0)
    pending = models.PositiveIntegerField(_("pending"), default=0)
    succeeded = models.PositiveIntegerField(_("succeeded"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    cancelled = models.PositiveIntegerField(_("cancelled"), default=0)
    skipped = models.PositiveIntegerField(_("skipped"), default=0)
    #: How many of the failed ones are links whose failure is allowed.
    excused = models.PositiveIntegerField(_("excused"), default=0)

    #: How many members may fail: "" none, "all", a number, or a share such as "5%".
    allow_failures = models.CharField(_("allowed failures"), max_length=16, blank=True, default="")
    #: What the first failure too many does to members that wait: "cancel" or "continue".
    on_failure = models.CharField(_("on failure"), max_length=8, default="cancel")
    #: Its first links were not all released yet; a worker goes on with it.
    opening = models.BooleanField(_("opening"), default=False)
    stopping = models.CharField(
        _("stopping"), max_length=16, choices=Stopping, blank=True, default=""
    )
    #: A member failed, and the ``catch`` callbacks were told, since it was opened or retried.
    caught = models.BooleanField(_("caught"), default=False)
    #: The first failure of those that count.
    error_job_id = models.UUIDField(_("failed job"), null=True, blank=True)
    error_message = models.TextField(_("error"), blank=True, default="")
    #: How often it has finished: a retry opens it again.
    finishes = models.PositiveIntegerField(_("finishes"), default=0)

    #: The callbacks, as JSON text: ``{"then": [columns of a job, ...], ...}``.
    callbacks = models.TextField(_("callbacks"), default="{}")
    #: What members that are added later inherit, as JSON text.
    options = models.TextField(_("options"), default="{}")
    #: When the ``progress`` callbacks were last told; null when there are none.
    told_at = models.DateTimeField(_("progress told"), null=True, blank=True)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    tags = models.JSONField(_("tags"), default=list, blank=True)
    created_at = models.DateTimeField(_("created"), editable=False)
    #: When its first members were released.
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    #: Set exactly when ``state`` is final; the database enforces the pairing.
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)

    objects = BatchManager()

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("cancel_batch", "Can cancel batch"),
            ("retry_batch", "Can retry batch"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="jobman_batch_finished_iff_final",
                condition=Q(finished_at__isnull=False, state__in=sorted(FINAL))
                | Q(finished_at__isnull=True, state__in=[State.BLOCKED, State.RUNNING]),
            ),
            models.CheckConstraint(
                name="jobman_batch_counts_add_up",
                condition=Q(
                    total=models.F("pending")
                    + models.F("succeeded")
                    + models.F("failed")
                    + models.F("cancelled")
                    + models.F("skipped")
                ),
            ),
            models.CheckConstraint(
                name="jobman_batch_final_has_none_pending",
                condition=Q(finished_at__isnull=True) | Q(pending=0),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["batch_id", "state", "id"],
                name="jobman_batch_member_idx",
                condition=Q(batch_id__isnull=False),
            ),
            models.Index(fields=["root_id", "id"], name="jobman_batch_root_idx"),
            models.Index(fields=["state", "-id"], name="jobman_batch_state_idx"),
            models.Index(fields=["finished_at"], name="jobman_batch_finished_idx"),
            models.Index(
                fields=["id"],
                name="jobman_batch_errand_idx",
                condition=Q(finished_at__isnull=True)
                & (Q(opening=True) | ~Q(stopping=Stopping.NOT)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.kind} [{self.id}]"

    @property
    def is_final(self) -> bool:
        """Whether nothing of it is pending (until a person retries a member)."""
        return self.state in FINAL

    @property
    def is_root(self) -> bool:
        """Whether it is a whole workflow, no member of another batch."""
        return self.batch_id is None

    @property
    def ended(self) -> int:
        """How many members have ended, in whatever way."""
        return self.total - self.pending

    @property
    def progress(self) -> int:
        """How many percent of the members have ended, rounded down; 100 when there are none."""
        return 100 * self.ended // self.total if self.total else 100

    @property
    def allowed(self) -> int:
        """How many members may fail before the batch has failed."""
        return shares.number_of(self.allow_failures, self.total)

    @property
    def has_failed(self) -> bool:
        """Whether more members failed than is allowed."""
        return self.failed - self.excused > self.allowed

    @property
    def status(self) -> dict[str, Any]:
        """What a client may be told, as JSON values; instants are ISO 8601 text."""
        counts = ("total", "pending", "succeeded", "failed", "cancelled", "skipped")
        moments = ("created_at", "started_at", "finished_at")
        return {
            "id": str(self.id),
            "kind": str(self.kind),
            "name": self.name,
            "state": str(self.state),
            "progress": self.progress,
            **{name: getattr(self, name) for name in counts},
            "finished": self.finished_at is not None,
            **{name: _text(getattr(self, name)) for name in moments},
            "error": self.error_message,
        }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
