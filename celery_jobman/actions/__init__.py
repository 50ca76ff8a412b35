"""What people do to jobs and batches, from any door: Python, the admin, the command line.

Each function performs one verb of :mod:`celery_jobman.core`, sends the message that follows
from it, and leaves an audit row that says who did it and why.  ``actor`` is a user, a name, or
None for the operating system's user.
"""

from __future__ import annotations

from celery_jobman.actions.on_batches import (
    add_to_batch,
    cancel_batch,
    find_batch_row,
    plan_batch_retry,
    plan_link_retry,
    prune_batches,
    retry_batch,
    retry_from_link,
)
from celery_jobman.actions.on_jobs import (
    cancel,
    cancelling_many,
    change_priority,
    dispatch,
    find,
    forget,
    forget_workers,
    fork,
    plan_retry,
    prune,
    replay_skipped,
    reschedule,
    rescue_lost,
    retry,
    retry_from,
    trim,
)

__all__ = [
    "add_to_batch",
    "cancel",
    "cancel_batch",
    "cancelling_many",
    "change_priority",
    "dispatch",
    "find",
    "find_batch_row",
    "forget",
    "forget_workers",
    "fork",
    "plan_batch_retry",
    "plan_link_retry",
    "plan_retry",
    "prune",
    "prune_batches",
    "replay_skipped",
    "reschedule",
    "rescue_lost",
    "retry",
    "retry_batch",
    "retry_from",
    "retry_from_link",
    "trim",
]
