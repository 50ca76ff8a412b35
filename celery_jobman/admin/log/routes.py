"""The addresses of a job's log and data."""

from __future__ import annotations

from celery_jobman.admin.log import data, raw, reveal, tail
from celery_jobman.admin.routes import Route

ROUTES: tuple[Route, ...] = (
    Route("<uuid:pk>/log/", "log", tail.view),
    Route("<uuid:pk>/log/raw/", "log_raw", raw.view),
    Route("<uuid:pk>/data/<slug:part>/", "data", data.download),
    Route("<uuid:pk>/reveal/", "reveal", reveal.view),
)
