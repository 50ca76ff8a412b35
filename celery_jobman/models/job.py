"""A job: one request to run one task with one set of arguments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from celery_jobman.models.database import JobmanModel, RoutedManager
from celery_jobman.models.ids import uuid7
from celery_jobman.models.reading import JobmanQuerySet
from celery_jobman.states import FINAL, State

if TYPE_CHECKING:
    from datetime import datetime

#: Longest task name, task id or queue name; Celery itself sets no limit.
NAME_LENGTH = 255


class Role(models.TextChoices):
    """What a job is to its batch."""

    MEMBER = "", _("Member")
    """One of those that finish together."""

    THEN = "then", _("Then")
    """A callback: the batch succeeded."""

    CATCH = "catch", _("Catch")
    """A callback: a first member failed."""

    FINALLY = "finally", _("Finally")
    """A callback: the batch finished, however it ended."""

    PROGRESS = "progress", _("Progress")
    """A callback: more members have ended."""


class JobQuerySet(JobmanQuerySet["Job"]):
    """Named questions about jobs.  Methods here read; :mod:`celery_jobman.core` writes."""

    def unfinished(self) -> Self:
        """Jobs that have not reached a final state."""
        return self.exclude(state__in=FINAL)

    def finished_before(self, cutoff: datetime) -> Self:
        """Jobs that reached a final state strictly before ``cutoff``."""
        return self.filter(finished_at__lt=cutoff)

    def due(self, now: datetime) -> Self:
        """Scheduled jobs whose time has come, longest due first."""
        return self.filter(state=State.SCHEDULED, available_at__lte=now).order_by("available_at")

    def held_by(self, worker_id: Any) -> Self:
        """Jobs that this worker claimed and has not ended."""
        return self.filter(state=State.RUNNING, worker_id=worker_id)

    def members_of(self, batch_id: Any) -> Self:
        """The jobs that this batch counts."""
        return self.filter(batch_id=batch_id, role=Role.MEMBER)

    def without_payloads(self) -> Self:
        """Leave the big columns in the database until they are asked for."""
        return self.defer("args", "kwargs", "message", "result", "own_args")


JobManager = RoutedManager.from_queryset(JobQuerySet)


class Job(JobmanModel):
    """One request to run one task."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    #: Celery's id of the current delivery: normally the job's own, the caller's when one was
    #: given, a new one when an id that succeeded or was revoked must run again.
    task_id = models.CharField(_("task id"), max_length=NAME_LENGTH, db_index=True)
    task = models.CharField(_("task"), max_length=NAME_LENGTH)
    label = models.CharField(_("label"), max_length=NAME_LENGTH, blank=True, default="")
    queue = models.CharField(_("queue"), max_length=NAME_LENGTH)
    priority = models.SmallIntegerField(_("priority"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State)

    #: The true arguments as JSON text.  Text, not a JSON column: it keeps every value as it
    #: was written, including numbers and escapes that a JSON column refuses or changes.
    args = models.TextField(_("arguments"), default="[]")
    kwargs = models.TextField(_("keyword arguments"), default="{}")
    #: A short copy of the arguments for lists, with secrets masked; written once.
    preview = models.CharField(_("preview"), max_length=200, blank=True, default="")
    #: What must be known to send the message again (links, time limits, headers …), as JSON.
    message = models.TextField(_("message options"), default="{}")
    #: Names of the steps the task declares, in order; shown before they run.
    declared_steps = models.JSONField(_("declared steps"), default=list, blank=True)

    created_at = models.DateTimeField(_("created"), editable=False)
    #: A scheduled job is sent to the broker when this moment has come.
    available_at = models.DateTimeField(_("available"), null=True, blank=True)
    #: It is cancelled instead of started after this moment (Celery's ``expires``).
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    queued_at = models.DateTimeField(_("queued"), null=True, blank=True)
    #: Start of the current or last attempt.
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    #: Set exactly when ``state`` is final; the database enforces the pairing.
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    #: Number of the current or last attempt; 0 until a worker first claims the job.
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    #: Attempts that failed since a person last retried the job.
    failures = models.PositiveIntegerField(_("failures"), default=0)
    #: Attempts whose worker died since then; see ``JOBMAN["POISON_LIMIT"]``.
    crashes = models.PositiveIntegerField(_("crashes"), default=0)
    #: Times the job was put back without a failure.
    releases = models.PositiveIntegerField(_("releases"), default=0)
    #: Failures after which the job fails for good.  Null when the task declares none: an
    #: exception is then final at once, and a lost worker only at the poison limit.
    max_attempts = models.PositiveIntegerField(_("max attempts"), null=True, blank=True)
    #: Celery's own count of retries, as ``self.request.retries`` will show it.
    retries = models.PositiveIntegerField(_("retries"), default=0)
    #: Number of the message that may claim the job; raised at every dispatch.
    delivery = models.PositiveIntegerField(_("delivery"), default=0)
    #: Why the next attempt will run, and who wanted it.
    trigger = models.CharField(_("trigger"), max_length=16, default="automatic")

    worker_id = models.UUIDField(_("worker"), null=True, blank=True)
    pid = models.PositiveIntegerField(_("process id"), null=True, blank=True)
    current_step = models.CharField(_("current step"), max_length=200, blank=True, default="")
    progress_current = models.BigIntegerField(_("progress"), null=True, blank=True)
    progress_total = models.BigIntegerField(_("progress total"), null=True, blank=True)
    progress_unit = models.CharField(_("progress unit"), max_length=32, blank=True, default="")
    progress_message = models.CharField(
        _("progress message"), max_length=200, blank=True, default=""
    )
    progress_at = models.DateTimeField(_("progress updated"), null=True, blank=True)

    #: What the task returned, as JSON text.  Null until it returned something.
    result = models.TextField(_("result"), null=True, blank=True)  # noqa: DJ001 - null: no result yet
    #: The business outcome of a success, such as ``"already exists"``.
    completed_code = models.CharField(_("completed code"), max_length=64, blank=True, default="")
    error_class = models.CharField(_("error class"), max_length=200, blank=True, default="")
    error_message = models.TextField(_("error"), blank=True, default="")
    #: Equal for failures that look alike; a hash of the error's class and place.
    fingerprint = models.CharField(_("fingerprint"), max_length=32, blank=True, default="")
    #: Never cleared, not even by a later success.
    last_failed_at = models.DateTimeField(_("last failed"), null=True, blank=True)

    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    #: The cancel is raised inside the body without waiting for a checkpoint.
    cancel_forced = models.BooleanField(_("cancel forced"), default=False)
    #: Why the broker did not take the last message; empty once it did.
    dispatch_error = models.TextField(_("dispatch error"), blank=True, default="")
    #: Since when the broker has not taken the message; of no meaning without an error.
    refused_at = models.DateTimeField(_("refused since"), null=True, blank=True)

    parent_id = models.UUIDField(_("parent job"), null=True, blank=True)
    root_id = models.CharField(_("root task id"), max_length=NAME_LENGTH, blank=True, default="")
    group_id = models.CharField(_("group id"), max_length=NAME_LENGTH, blank=True, default="")
    #: The batch that it is a member of (or a callback of, see ``role``).
    batch_id = models.UUIDField(_("batch"), null=True, blank=True)
    #: Empty for a member, which the batch counts; for a callback what it is told of.
    role = models.CharField(_("role"), max_length=8, choices=Role, blank=True, default="")
    #: Which element of the batch it belongs to, counted from 0; in Celery's own canvas, which
    #: member of its group it is or, outside a group, which link of its chain.
    position = models.PositiveIntegerField(_("position"), null=True, blank=True)
    #: The links after and before it in its element: a job or a batch.
    next_id = models.UUIDField(_("next link"), null=True, blank=True)
    follows_id = models.UUIDField(_("link before"), null=True, blank=True)
    #: How long it waits when what it follows has ended.
    delay = models.DurationField(_("delay"), null=True, blank=True)
    #: How long after that it is still worth to begin (a relative ``expires``).
    expires_after = models.DurationField(_("expires after"), null=True, blank=True)
    #: Its failure does not break the chain.
    allow_failure = models.BooleanField(_("failure allowed"), default=False)
    #: Its first argument is the result of what it waited for.
    takes_result = models.BooleanField(_("takes result"), default=False)
    #: Its arguments without that result; null until one was passed.
    own_args = models.TextField(_("own arguments"), null=True, blank=True)  # noqa: DJ001 - as result
    #: The job or batch whose end cancelled or skipped it; a retry of that one starts it again.
    stopped_by = models.UUIDField(_("stopped by"), null=True, blank=True)
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
    #: Free for the task: input, notes and return values that lists and pages may show.
    attribs = models.JSONField(_("attributes"), default=dict, blank=True)
    retry_of = models.UUIDField(_("fork of"), null=True, blank=True)
    replaced_by = models.UUIDField(_("replaced by"), null=True, blank=True)
    code_version = models.CharField(_("code version"), max_length=64, blank=True, default="")
    #: A plain task that is only watched: jobman never sends its message on its own, because
    #: nothing could refuse the duplicate.
    observed = models.BooleanField(_("observed"), default=False)
    #: Ran inside the calling process, without a broker.
    eager = models.BooleanField(_("eager"), default=False)

    objects = JobManager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering: ClassVar = ["-id"]
        #: One for each verb and each kind of sight; "view" alone shows the list and the page.
        permissions: ClassVar = [
            ("cancel_job", "Can cancel job"),
            ("retry_job", "Can retry job"),
            ("edit_job_args", "Can retry job with other arguments"),
            ("change_job_priority", "Can change priority of job"),
            ("reschedule_job", "Can reschedule job"),
            ("purge_job", "Can delete job for good"),
            ("view_job_args", "Can view arguments of job"),
            ("view_job_result", "Can view result of job"),
            ("view_job_log", "Can view log of job"),
            ("view_job_secrets", "Can reveal masked values of job"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="jobman_job_finished_iff_final",
                condition=Q(finished_at__isnull=False, state__in=sorted(FINAL))
                | Q(finished_at__isnull=True, state__in=sorted(set(State) - FINAL)),
            ),
            models.CheckConstraint(
                name="jobman_job_scheduled_has_time",
                condition=~Q(state=State.SCHEDULED) | Q(available_at__isnull=False),
            ),
            models.CheckConstraint(
                name="jobman_job_running_has_attempt",
                condition=~Q(state=State.RUNNING) | Q(attempt__gt=0, started_at__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["available_at"],
                name="jobman_job_due_idx",
                condition=Q(state=State.SCHEDULED),
            ),
            models.Index(fields=["state", "-id"], name="jobman_job_state_idx"),
            models.Index(fields=["task", "-id"], name="jobman_job_task_idx"),
            models.Index(fields=["queue", "state", "id"], name="jobman_job_queue_idx"),
            models.Index(fields=["owner", "-id"], name="jobman_job_owner_idx"),
            models.Index(
                fields=["worker_id"], name="jobman_job_worker_idx", condition=Q(state=State.RUNNING)
            ),
            models.Index(fields=["finished_at"], name="jobman_job_finished_idx"),
            models.Index(
                fields=["fingerprint", "-id"],
                name="jobman_job_failure_idx",
                condition=Q(state=State.FAILED),
            ),
            models.Index(
                fields=["retry_of"],
                name="jobman_job_fork_idx",
                condition=Q(retry_of__isnull=False),
            ),
            models.Index(
                fields=["parent_id"],
                name="jobman_job_child_idx",
                condition=Q(parent_id__isnull=False),
            ),
            models.Index(
                fields=["batch_id", "state", "id"],
                name="jobman_job_member_idx",
                condition=Q(batch_id__isnull=False),
            ),
            models.Index(
                fields=["batch_id", "role"],
                name="jobman_job_callback_idx",
                condition=~Q(role=Role.MEMBER),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} [{self.id}]"

    @property
    def is_final(self) -> bool:
        """Whether the job's life has ended (until a person retries it)."""
        return self.state in FINAL

    @property
    def is_linked(self) -> bool:
        """Whether it is part of a workflow: it waits for others, or others wait for it."""
        return any((self.batch_id, self.group_id, self.follows_id, self.next_id))

    @property
    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments, as plain JSON values."""
        return json.loads(self.args), json.loads(self.kwargs)

    @property
    def return_value(self) -> Any:
        """What the task returned, as plain JSON values; None when there is nothing."""
        return None if self.result is None else json.loads(self.result)
