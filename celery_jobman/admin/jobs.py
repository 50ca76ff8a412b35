"""Jobs, with their attempts and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from celery_jobman.admin.reading import ReadOnlyAdmin, ReadOnlyInline, as_uuid
from celery_jobman.models import Attempt, Job, Step

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class AttemptInline(ReadOnlyInline):
    """How each execution ended."""

    model = Attempt
    fields = [
        "number", "outcome", "started_at", "finished_at", "hostname", "pid", "resumed_from",
        "trigger", "error_message", "traceback",
    ]  # fmt: skip
    ordering = ("number",)


class StepInline(ReadOnlyInline):
    """What each step has saved."""

    model = Step
    fields = [
        "name", "state", "attempt", "started_at", "finished_at", "done", "total", "error_message",
        "superseded",
    ]  # fmt: skip
    ordering = ("superseded", "position")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        """Leave the checkpoints in the database: they may be big."""
        return super().get_queryset(request).defer("result", "cursor", "skipped")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs, the newest first."""

    list_display = [
        "id", "task", "state", "queue", "preview", "created_at", "finished_at", "attempt", "owner",
    ]  # fmt: skip
    list_filter = ["state"]
    list_select_related = ["owner"]
    search_fields = ["id", "task_id", "task"]
    search_help_text = _("A job's id, a Celery task id, or the full name of a task")
    inlines = [AttemptInline, StepInline]
    fieldsets = [
        (None, {"fields": ["id", "task", "label", "state", "queue", "priority", "preview", "log"]}),
        (
            _("Times"),
            {
                "fields": [
                    "created_at", "available_at", "queued_at", "started_at", "finished_at",
                    "expires_at", "cancel_requested_at", "last_failed_at",
                ],
            },
        ),
        (
            _("Attempts"),
            {"fields": ["attempt", "failures", "crashes", "releases", "max_attempts", "trigger"]},
        ),
        (
            _("Progress"),
            {
                "fields": [
                    "current_step", "progress_current", "progress_total", "progress_unit",
                    "progress_message", "progress_at",
                ],
            },
        ),
        (
            _("End"),
            {
                "fields": [
                    "completed_code", "result", "error_class", "error_message", "dispatch_error",
                ],
            },
        ),
        (
            _("Origin"),
            {
                "classes": ["collapse"],
                "fields": [
                    "task_id", "owner", "tags", "attribs", "parent_id", "root_id", "group_id",
                    "retry_of", "replaced_by", "code_version", "observed", "eager", "delivery",
                ],
            },
        ),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the big columns in the database until a page asks for one."""
        return super().get_queryset(request).defer("args", "kwargs", "message", "result")

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """Find by whole ids and names, through the indexes."""
        term = search_term.strip()
        if not term:
            return queryset, False
        job_id = as_uuid(term)
        by_id = Q(pk=job_id) if job_id else Q(task=term)
        return queryset.filter(by_id | Q(task_id=term)), False

    @admin.display(description=_("log"))
    def log(self, job: Job) -> str:
        """Link to the job's lines."""
        lines = reverse(f"{self.admin_site.name}:jobman_logline_changelist")
        return format_html('<a href="{}?job_id={}">{}</a>', lines, job.pk, _("Log lines"))
