"""System checks: what would make jobs go wrong, found before it does."""

from __future__ import annotations

from celery_jobman.checks import database, settings, tasks

__all__ = ["database", "settings", "tasks"]
