"""Actions: what people did to jobs, the latest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext_lazy

from celery_jobman.admin.reading import OfJobAdmin
from celery_jobman.admin.steering import history
from celery_jobman.models import JobAction

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class VerbFilter(admin.SimpleListFilter):
    """Actions of one kind."""

    title = gettext_lazy("verb")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        """Return the verbs there are, without asking the table for them."""
        return list(history.VERBS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the actions of the kind."""
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(JobAction)
class JobActionAdmin(OfJobAdmin):
    """The audit."""

    list_display = ["at", "done", "job_id", "actor", "reason"]
    list_filter = [VerbFilter]
    list_select_related = ["user"]
    fields = ["at", "done", "job_id", "actor", "user", "reason", "changes"]
    readonly_fields = ["done"]

    @admin.display(description=gettext_lazy("verb"), ordering="verb")
    def done(self, action: JobAction) -> str:
        """Return what was done."""
        return history.done(action)
