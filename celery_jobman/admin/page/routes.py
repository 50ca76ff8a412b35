"""The addresses of a job's page."""

from __future__ import annotations

from celery_jobman.admin.page.live import state
from celery_jobman.admin.routes import Route

ROUTES: tuple[Route, ...] = (Route("<uuid:pk>/state/", "state", state),)
