"""Help for testing projects that run their tasks as jobs.

The names below are imported on first use, so that a pytest plugin of this package can be loaded
before Django is set up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery_jobman.testing.crashes import crash_at_every_checkpoint
    from celery_jobman.testing.enqueued import assert_enqueued, assert_not_enqueued
    from celery_jobman.testing.entrances import interrupt_at, start_at
    from celery_jobman.testing.inline import run_job, run_jobs

__all__ = [
    "assert_enqueued",
    "assert_not_enqueued",
    "crash_at_every_checkpoint",
    "interrupt_at",
    "run_job",
    "run_jobs",
    "start_at",
]

_HOMES = {
    "assert_enqueued": "enqueued",
    "assert_not_enqueued": "enqueued",
    "crash_at_every_checkpoint": "crashes",
    "interrupt_at": "entrances",
    "run_job": "inline",
    "run_jobs": "inline",
    "start_at": "entrances",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
