"""Standing: what a verb that steers jobs needs before, and tells after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.insight import turn
from celery_jobman.insight.workforce import Workforce
from celery_jobman.models import Job
from celery_jobman.runtime import registry
from celery_jobman.states import State

if TYPE_CHECKING:
    from uuid import UUID

    from celery_jobman.management.console import Console


def import_tasks(console: Console) -> None:
    """Import the project's tasks, which those who wait for a job's result need."""
    error = registry.import_tasks()
    if error:
        why = f"{type(error).__name__}: {error}"
        console.note(f"  the project's tasks could not be imported ({why})")


def write(job_id: UUID, text: str, console: Console, **values: Any) -> None:
    """Write where a job stands now, and what else is to be said of it.

    Args:
        job_id: The job, whose retry, fork or new time was committed.
        text: What was done to it.
        console: Where to.
        **values: The same for programs.
    """
    job = Job.objects.without_payloads().get(pk=job_id)
    facts = {"id": job.id, "state": job.state, "dispatch_error": job.dispatch_error, **values}
    console.fact(f"{job.id}  {console.word(job.state, 9)}  {text}", **facts)
    if job.dispatch_error:
        console.note(f"  the broker did not take it ({job.dispatch_error}); a worker tries again")
    elif job.state == State.QUEUED:
        lack = turn.lack(job.queue, Workforce.now())
        console.note(f"  {lack}") if lack else None
