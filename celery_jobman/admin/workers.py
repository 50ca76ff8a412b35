"""Workers, the last seen first."""

from __future__ import annotations

from django.contrib import admin

from celery_jobman.admin.reading import ReadOnlyAdmin
from celery_jobman.models import Worker


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Every start of every worker."""

    list_display = [
        "hostname", "pid", "pool", "concurrency", "queues", "started_at", "seen_at", "stopped_at",
    ]  # fmt: skip
