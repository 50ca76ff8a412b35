"""Django signals, sent after the commit that made them true.

Receivers get ``job_id`` (:class:`uuid.UUID`), ``task`` (the task's name) and what is listed
with each signal.  They are sent robustly: what a receiver raises is logged, never passed on.
Each runs in the process that performed the move: the web process for an enqueue, the worker
for a start or an end, whoever called the verb for a cancel.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from uuid import UUID

#: A job's row was committed.
job_enqueued = Signal()
#: A worker claimed the job.  Extra: ``attempt``.
job_started = Signal()
#: The job reached a final state.  Extra: ``attempt``, ``state``.
job_finished = Signal()
#: The job failed for good.  Extra: ``attempt``, ``error_message``.  Sent before job_finished.
job_failed = Signal()
#: A batch finished; it may do so again after a retry.  Instead of ``job_id`` and ``task``:
#: ``batch_id``, ``state``, ``finishes`` (how often it has).
batch_finished = Signal()


def announce(signal: Signal, using: str, job_id: UUID, **values: Any) -> None:
    """Send ``signal`` once the current transaction on ``using`` has been committed."""
    if signal.receivers:
        send = partial(signal.send_robust, sender=None, job_id=job_id, **values)
        transaction.on_commit(send, using=using, robust=True)


def announce_batch(batch_id: UUID, using: str, **values: Any) -> None:
    """Send :data:`batch_finished` once the current transaction has been committed."""
    if batch_finished.receivers:
        send = partial(batch_finished.send_robust, sender=None, batch_id=batch_id, **values)
        transaction.on_commit(send, using=using, robust=True)
