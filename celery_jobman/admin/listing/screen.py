"""The screen of the list: how Django's own changelist is made to serve a million rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q

from celery_jobman.admin.reading import ReadOnlyAdmin, as_uuid

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class ListScreen(ReadOnlyAdmin):
    """Jobs, the newest first."""

    list_display = ["id", "task", "state", "queue", "preview", "created_at", "finished_at"]
    list_filter = ["state"]
    search_fields = ["id", "task_id", "task"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the jobs that the user may see; every address of the admin asks here.

        Override it in a subclass to show each user or tenant its own jobs only.
        """
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
