"""Reading: what all pages share, which is that nothing can be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from celery_jobman.conf import settings


def model_admin() -> type[admin.ModelAdmin[Any]]:
    """Return the class that ``JOBMAN["MODEL_ADMIN"]`` names.

    Raises:
        ImproperlyConfigured: It names nothing, or something else than a ModelAdmin.
    """
    path = settings().model_admin
    try:
        found: Any = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f'JOBMAN["MODEL_ADMIN"] is {path!r}: {error}') from error
    if not (isinstance(found, type) and issubclass(found, admin.ModelAdmin)):
        raise ImproperlyConfigured(f'JOBMAN["MODEL_ADMIN"] is {path!r}, which is no ModelAdmin')
    return found


if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyTabularInline = admin.TabularInline[Any, Any]
else:
    AnyModelAdmin = model_admin()
    AnyTabularInline = admin.TabularInline


class ReadOnlyAdmin(AnyModelAdmin):
    """Pages of a table that only jobman writes."""

    actions = None
    list_per_page = 50
    #: The number of all rows costs a scan of the table, and tells little.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody changes rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody deletes rows here; ``manage.py jobman forget`` and ``prune`` do."""
        return False


class OfJobAdmin(ReadOnlyAdmin):
    """Pages of a table whose rows name a job, searched by its id."""

    search_fields = ["job_id"]
    search_help_text = _("A job's id")

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the whole id, through the index."""
        if not search_term.strip():
            return queryset, False
        job_id = as_uuid(search_term)
        return (queryset.filter(job_id=job_id) if job_id else queryset.none()), False


def as_uuid(text: str) -> UUID | None:
    """Return the id that a text is, if it is one."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


class ReadOnlyInline(AnyTabularInline):
    """Rows that belong to the page's row."""

    extra = 0
    can_delete = False
    show_change_link = False
    #: The default formset offers an empty row only to those who may add one.
    max_num = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody changes rows by hand."""
        return False
