"""Bulk: one verb for many jobs."""

from __future__ import annotations

from celery_jobman.admin.reading import ReadOnlyAdmin


class BulkActions(ReadOnlyAdmin):
    """The actions below the list."""
