"""The two admins that are measured: the project's own, and one with a stock list of jobs.

``StockAdmin`` is what people usually put on a list, as a plain ``ModelAdmin`` makes it: six
columns, filters by state, queue and worker, a search in three columns and the drill-down by
date.  Nothing in it is chosen to be slow, and nothing is tuned.  Its pages are as long as ours.
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from celery_jobman.admin.reading import ReadOnlyAdmin
from celery_jobman.models import Job


class StockAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Django's own list of jobs."""

    list_display = ("task", "task_id", "state", "queue", "created_at", "finished_at")
    list_filter = (
        "state",
        ("queue", admin.AllValuesFieldListFilter),
        ("worker_id", admin.AllValuesFieldListFilter),
    )
    search_fields = ("task", "task_id", "error_message")
    date_hierarchy = "created_at"
    list_per_page = ReadOnlyAdmin.list_per_page


stock = admin.AdminSite("stock")
stock.register(Job, StockAdmin)

urlpatterns = [path("admin/", admin.site.urls), path("stock/", stock.urls)]
