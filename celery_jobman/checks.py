"""System checks: what would make jobs go wrong, found before it does."""

from __future__ import annotations

from typing import Any

from django.core.checks import Tags, Warning, register  # noqa: A004 - Django's own name

from celery_jobman.conf import settings


@register(Tags.compatibility)
def heartbeat_fits(**_: Any) -> list[Warning]:
    """Warn when a worker is taken for dead before it can give two signs of life."""
    chosen = settings()
    if chosen.worker_lost_after >= 3 * chosen.heartbeat:
        return []
    return [
        Warning(
            'JOBMAN["WORKER_LOST_AFTER"] is less than three times JOBMAN["HEARTBEAT"]',
            hint="A worker that is late once loses its jobs; raise WORKER_LOST_AFTER to at"
            f" least {3 * chosen.heartbeat.total_seconds():g} seconds.",
            id="jobman.W001",
        )
    ]
