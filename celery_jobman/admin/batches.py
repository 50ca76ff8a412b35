"""Batches: the list, the page and the graph of each, and the verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from celery_jobman.admin import routes
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.batch import routes as batch
from celery_jobman.admin.batch.listing import BatchList
from celery_jobman.admin.batch.screen import BatchScreen
from celery_jobman.models import Batch

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern


@admin.register(Batch)
class BatchAdmin(BatchList, BatchScreen):
    """Batches.

    To change what is shown, subclass it, unregister this one and register yours.
    """

    def get_urls(self) -> list[URLPattern]:
        """Return our addresses before Django's, whose last one matches nearly everything."""
        return [*routes.urls(self, batch.ROUTES), *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may see batches, or this one."""
        return may(request.user, Deed.VIEW_BATCH, obj)
