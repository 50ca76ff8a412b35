"""The screen of one job."""

from __future__ import annotations

from celery_jobman.admin.reading import ReadOnlyAdmin


class PageScreen(ReadOnlyAdmin):
    """A job's own page instead of Django's form."""
