"""Background jobs for Django on Celery that can be seen, steered and resumed.

The names below are imported on first use, so that ``from celery_jobman import JobTask`` works
in a project's ``celery.py`` before ``django.setup()``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery_jobman.runtime.running import current_job, progress, step
    from celery_jobman.runtime.task import JobTask

__version__ = "0.1.0.dev0"

__all__ = ["JobTask", "__version__", "current_job", "progress", "step"]

_HOMES = {
    "JobTask": "celery_jobman.runtime.task",
    "current_job": "celery_jobman.runtime.running",
    "progress": "celery_jobman.runtime.running",
    "step": "celery_jobman.runtime.running",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
