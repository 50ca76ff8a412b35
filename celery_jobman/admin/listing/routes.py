"""The addresses of the list."""

from __future__ import annotations

from celery_jobman.admin.listing import live
from celery_jobman.admin.routes import Route

ROUTES: tuple[Route, ...] = (
    Route("counts/", "counts", live.counts),
    Route("states/", "states", live.states),
)
