"""Returns: what a body has returned, looked at before its job ends with it.

What others wait for must be JSON, or the job fails; what nobody asked for is left out, and that
is said in the job's log and on its page.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from celery_jobman.core import passing
from celery_jobman.core.encoding import clean
from celery_jobman.exceptions import BodyNotRun, UnencodableValue, nearest
from celery_jobman.models import Batch, Duty, Trouble
from celery_jobman.models.database import atomic
from celery_jobman.runtime import messages
from celery_jobman.runtime.running import Completed

if TYPE_CHECKING:
    from uuid import UUID

    from celery import Task

    from celery_jobman.core.joins import Member
    from celery_jobman.runtime.running import RunningJob

logger = logging.getLogger("celery_jobman")

#: Longest remark that is kept, in characters.
LONGEST = 2000


def examine(task: Task, job: RunningJob, value: Any) -> None:
    """Look at what a body has returned, as it returned it, and at the steps that it ran.

    Raises:
        BodyNotRun: It returned a coroutine or a generator: nothing of its work was done.
    """
    if inspect.iscoroutine(value) or inspect.isgenerator(value) or inspect.isasyncgen(value):
        if inspect.iscoroutine(value):
            value.close()  # nobody awaits it, and Python would say so a second time
        raise BodyNotRun(task.name, value)
    if job.completion is not None and not isinstance(value, Completed):
        code = job.completion.code
        _remark(job, f"self.complete() was called with the code {code!r}, but not returned")
    _compare_steps(task, job)


def _compare_steps(task: Task, job: RunningJob) -> None:
    """Say which declared step did not run because another name was meant."""
    ran = job.runner.rows if job.runner.latest else {}
    declared = task.steps or ()
    surprising = [name for name in ran if name not in declared and "/" not in name]
    for name in declared:
        meant = None if name in ran else nearest(name, surprising)
        if meant is not None:
            logger.warning(
                "Step %r is declared and did not run; %r ran and is not declared", name, meant
            )


def encoded(task: Task, job: RunningJob, value: Any) -> str | None:
    """Return a result as the JSON text that is kept with the job; None if it cannot be kept.

    Raises:
        UnencodableValue: It cannot, and somebody waits for it.
    """
    try:
        plain = task.backend.prepare_value(value)  # an AsyncResult as a tuple, as Celery stores it
        return messages.encode(plain, f"the result of {task.name}")
    except UnencodableValue as error:
        if _is_asked_for(task, job) or _is_passed_on(task, job):
            raise
        _remark(job, f"{str(error).rpartition('; ')[0]}; it is not kept")
        return None


def _is_asked_for(task: Task, job: RunningJob) -> bool:
    """Whether Celery's result backend is to store the result, and could not either."""
    ignored = job.request.ignore_result or task.ignore_result
    return not ignored and task.app.conf.result_serializer == "json"


def _is_passed_on(task: Task, job: RunningJob) -> bool:
    """Whether the result becomes an argument of what follows."""
    member = job.run.member
    if member is not None and _is_fed(member):
        return True
    following = [*(job.request.callbacks or ()), *(job.request.chain or ())[-1:]]
    if task.app.conf.task_serializer != "json":
        return False
    return any(not each.get("immutable") for each in following)


def _is_fed(member: Member) -> bool:
    """Whether a link of a durable workflow takes the result, alone or in a list with others."""
    following, batch_id = member.next_id, member.batch_id
    while following is None and batch_id is not None:
        batch = Batch.objects.only("next_id", "batch_id").filter(pk=batch_id).first()
        if batch is None:
            return False
        following, batch_id = batch.next_id, batch.batch_id
    return following is not None and passing.takes_result(following)


def _remark(job: RunningJob, text: str) -> None:
    logger.warning("%s", text[:1].upper() + text[1:])
    job.remarks.append(text)


def write_remarks(job: RunningJob) -> None:
    """Let the page of a job that has ended say what was left out of its end."""
    remarks, job.remarks = job.remarks, []
    if not remarks:
        return
    try:
        with atomic():
            _write(job.id, clean("; ".join(remarks), LONGEST))
    except Exception:
        logger.exception("A remark could not be written job=%s", job.id)


def _write(job_id: UUID, text: str) -> None:
    now = timezone.now()
    row = Trouble(duty=Duty.END, row_id=job_id, error=text, since=now, tried_at=now)
    Trouble.objects.bulk_create([row], ignore_conflicts=True)
