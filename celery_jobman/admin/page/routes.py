"""The addresses of a job's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery_jobman.admin.routes import Route

ROUTES: tuple[Route, ...] = ()
