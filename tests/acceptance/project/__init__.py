"""A small Django project with real tasks, run by real workers."""

from __future__ import annotations

from tests.acceptance.project.celery import app as celery_app

__all__ = ["celery_app"]
