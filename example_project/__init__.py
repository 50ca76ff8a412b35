"""A small shop whose branches come from a public list: an example of celery-jobman in use."""

from __future__ import annotations

from example_project.celery import app as celery_app

__all__ = ["celery_app"]
