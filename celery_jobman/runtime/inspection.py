"""Inspection: ``celery inspect scheduled`` (and Flower) show delayed jobs, too.

A plain task with an ``eta`` waits in a worker's memory, and the worker lists it.  A job waits
in the database; each worker lists those of the queues that it consumes, in the same form.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import control
from django.db import connections
from django.utils import timezone

from celery_jobman.models import Job
from celery_jobman.runtime import messages
from celery_jobman.runtime.connection import OUTAGE
from celery_jobman.states import State

logger = logging.getLogger("celery_jobman")

#: Most jobs listed by one worker.
LIMIT = 1000
#: What Celery's timer calls the priority of a delayed task.
TIMER_PRIORITY = 6


@control.inspect_command(name="scheduled", alias="dump_schedule")  # type: ignore[untyped-decorator]
def scheduled(state: Any, **_: Any) -> list[dict[str, Any]]:
    """List of currently scheduled ETA/countdown tasks, those held in the database included."""
    return [*control.scheduled(state), *_held(state.app, state.hostname)]


def _held(app: Any, hostname: str) -> list[dict[str, Any]]:
    """Return the jobs that wait for their time, or none while the database is away."""
    waiting = Job.objects.filter(
        state=State.SCHEDULED,
        queue__in=sorted(app.amqp.queues.consume_from),
        available_at__gt=timezone.now(),
    )
    try:
        return [_entry(job, hostname) for job in waiting.order_by("available_at")[:LIMIT]]
    except OUTAGE as error:
        logger.warning("Delayed jobs could not be listed error=%r", error)
        return []
    finally:
        connections.close_all()


def _entry(job: Job, hostname: str) -> dict[str, Any]:
    due = job.available_at
    return {
        "eta": due.isoformat() if due else None,
        "priority": TIMER_PRIORITY,
        "request": {
            "id": job.task_id,
            "name": job.task,
            "args": messages.decode(job.args),
            "kwargs": messages.decode(job.kwargs),
            "type": job.task,
            "hostname": hostname,
            "time_start": None,
            "acknowledged": False,
            "delivery_info": {
                "exchange": "",
                "routing_key": job.queue,
                "priority": job.priority or 0,
                "redelivered": False,
            },
            "worker_pid": None,
        },
    }
