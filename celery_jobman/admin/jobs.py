"""Jobs: the list, the page of each, and the verbs."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from django.contrib import admin

from celery_jobman.admin import routes
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.listing import routes as listing
from celery_jobman.admin.listing.screen import ListScreen
from celery_jobman.admin.log import routes as log
from celery_jobman.admin.page import routes as page
from celery_jobman.admin.page.screen import PageScreen
from celery_jobman.admin.steering import routes as steering
from celery_jobman.admin.steering.bulk import BulkActions
from celery_jobman.models import Job

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern


@admin.register(Job)
class JobAdmin(BulkActions, ListScreen, PageScreen):
    """Jobs.

    To change what is shown, subclass it, unregister this one and register yours.
    """

    def get_urls(self) -> list[URLPattern]:
        """Return our addresses before Django's, whose last one matches nearly everything."""
        ours = chain(listing.ROUTES, page.ROUTES, log.ROUTES, steering.ROUTES)
        return [*routes.urls(self, ours), *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may see jobs, or this one."""
        return may(request.user, Deed.VIEW, obj)
