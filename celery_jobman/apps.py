"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JobmanConfig(AppConfig):
    name = "celery_jobman"
    label = "jobman"
    verbose_name = _("Background jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what listens, once the models are there."""
        from celery_jobman import checks  # noqa: F401, PLC0415
        from celery_jobman.conf import settings  # noqa: PLC0415
        from celery_jobman.core import deletion  # noqa: PLC0415
        from celery_jobman.models import checks as _  # noqa: F401, PLC0415
        from celery_jobman.runtime import receivers  # noqa: PLC0415

        settings()
        deletion.connect()
        receivers.connect()
