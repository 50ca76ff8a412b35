"""The engine: what the task class calls, imported when it is first called.

A project's ``celery.py`` may import the task class before ``django.setup()``; what runs jobs needs
models.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


@cache
def engine(name: str) -> ModuleType:
    """Return the module of this name in :mod:`celery_jobman.runtime`, imported on first use."""
    return import_module(f"celery_jobman.runtime.{name}")
