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
    from celery_jobman.runtime.workflows.flows import batch, chain, chord, group
    from celery_jobman.runtime.workflows.live import LiveBatch, current_batch, find_batch

__version__ = "0.1.0.dev0"

__all__ = [
    "JobTask",
    "LiveBatch",
    "__version__",
    "batch",
    "chain",
    "chord",
    "current_batch",
    "current_job",
    "find_batch",
    "group",
    "progress",
    "step",
]

_HOMES = {
    "JobTask": "celery_jobman.runtime.task",
    "LiveBatch": "celery_jobman.runtime.workflows.live",
    "batch": "celery_jobman.runtime.workflows.flows",
    "chain": "celery_jobman.runtime.workflows.flows",
    "chord": "celery_jobman.runtime.workflows.flows",
    "current_batch": "celery_jobman.runtime.workflows.live",
    "current_job": "celery_jobman.runtime.running",
    "find_batch": "celery_jobman.runtime.workflows.live",
    "group": "celery_jobman.runtime.workflows.flows",
    "progress": "celery_jobman.runtime.running",
    "step": "celery_jobman.runtime.running",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
