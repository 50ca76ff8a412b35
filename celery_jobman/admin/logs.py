"""Log lines, the newest first; reached from a job's page."""

from __future__ import annotations

import logging

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from celery_jobman.admin.reading import OfJobAdmin
from celery_jobman.models import LogLine


@admin.register(LogLine)
class LogLineAdmin(OfJobAdmin):
    """Log lines of all jobs."""

    list_display = ["key", "at", "level_name", "job_id", "attempt", "step", "message"]
    ordering = ["-id"]
    sortable_by = ["key"]

    @admin.display(description=_("ID"), ordering="id")
    def key(self, line: LogLine) -> int:
        """Return the id."""
        return line.id

    @admin.display(description=_("level"))
    def level_name(self, line: LogLine) -> str:
        """Return the level as :mod:`logging` names it."""
        return logging.getLevelName(line.level)
