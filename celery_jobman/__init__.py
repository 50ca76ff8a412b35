"""Background jobs for Django on Celery that can be seen, steered and resumed.

The names below may be imported before ``django.setup()``, such as in a project's ``celery.py``.
Those that need models are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.runtime import public_names

if TYPE_CHECKING:
    from celery_jobman import actions
    from celery_jobman.runtime.backoffs import exponential
    from celery_jobman.runtime.running import atomic_step, current_job, progress, step
    from celery_jobman.runtime.task import JobTask
    from celery_jobman.runtime.workflows.flows import batch, chain, chord, group
    from celery_jobman.runtime.workflows.live import LiveBatch, current_batch, find_batch

__version__ = "0.1.0.dev0"

__all__ = [
    "JobTask",
    "LiveBatch",
    "__version__",
    "actions",
    "atomic_step",
    "batch",
    "chain",
    "chord",
    "current_batch",
    "current_job",
    "exponential",
    "find_batch",
    "group",
    "progress",
    "step",
]

#: Modules that need no models.
_EARLY = {
    "JobTask": "celery_jobman.runtime.task",
    "exponential": "celery_jobman.runtime.backoffs",
}
_HOMES = {
    "LiveBatch": "celery_jobman.runtime.workflows.live",
    "actions": "celery_jobman",
    "atomic_step": "celery_jobman.runtime.running",
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
    if name in _EARLY:
        return public_names.load(_EARLY[name], name)
    if name in _HOMES:
        return public_names.public(_HOMES[name], name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
