"""Late: what writes flows needs to know them, and they need it to dispatch themselves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def planting() -> ModuleType:
    """Return :mod:`celery_jobman.runtime.workflows.planting`, imported when it is needed."""
    return import_module("celery_jobman.runtime.workflows.planting")
