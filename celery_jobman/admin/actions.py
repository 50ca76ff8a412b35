"""Actions: what people did to jobs, the latest first."""

from __future__ import annotations

from django.contrib import admin

from celery_jobman.admin.reading import OfJobAdmin
from celery_jobman.models import JobAction


@admin.register(JobAction)
class JobActionAdmin(OfJobAdmin):
    """The audit."""

    list_display = ["at", "verb", "job_id", "actor", "reason"]
    list_filter = ["verb"]
    list_select_related = ["user"]
