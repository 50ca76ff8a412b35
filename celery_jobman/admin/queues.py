"""Queues, by name."""

from __future__ import annotations

from django.contrib import admin

from celery_jobman.admin.reading import ReadOnlyAdmin
from celery_jobman.models import Queue


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    """Every queue that a worker consumed."""

    list_display = ["name", "consumed_at"]
