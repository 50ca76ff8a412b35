"""The canvas: what follows a job in Celery's workflows, written by the transaction that ends it.

Celery publishes a job's callbacks and the next link of its chain after the task has returned.  A
process that dies just then takes the rest of the chain with it: the job has succeeded, so nobody
runs it again.  Here the rows of what follows are written together with the job's end, and their
messages leave after that commit, as those of any other job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.canvas import _chain, chord, group, signature

from celery_jobman.core import moments
from celery_jobman.core.fallbacks import NotWritten
from celery_jobman.exceptions import DatabaseUnwritable
from celery_jobman.models.database_errors import is_refusal
from celery_jobman.runtime.running import ending
from celery_jobman.runtime.task import is_recorded
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery import Celery, Task

    from celery_jobman.runtime.outcomes import Verdict
    from celery_jobman.runtime.running import RunningJob


class Following:
    """The callbacks of a job, and the next link of its chain."""

    def __init__(self, task: Task, job: RunningJob, value: Any) -> None:
        self._task = task
        self._job = job
        self._value = value
        self._callbacks = list(job.request.callbacks or ())
        self._chain = list(job.request.chain or ())

    def write(self) -> None:
        """Write the rows, inside the transaction that ends the job; messages leave on commit.

        Raises:
            NotWritten: Something in a signature does not let it.  The transaction is broken.
            OperationalError, InterfaceError: The database is away.
        """
        children = self._job.request.children
        known = len(children)
        try:
            with ending(self._job):
                self._apply()
        except Exception as error:
            del children[known:]  # the next try notes them again
            cause = error.__cause__ if isinstance(error, DatabaseUnwritable) else error
            if cause is not None and not is_refusal(cause):
                raise cause from error
            raise NotWritten from error
        moments.reached("links written")

    def take_over(self) -> None:
        """Leave nothing of it to Celery, which would send it once more."""
        self._job.request.callbacks = self._job.request.chain = None

    def _apply(self) -> None:
        """Do what Celery's tracer does with a task that has succeeded, in its order."""
        how = self._how()
        callbacks = [signature(each, app=self._app) for each in self._callbacks]
        groups = [each for each in callbacks if isinstance(each, group)]
        others = [each for each in callbacks if not isinstance(each, group)]
        for each in groups:
            each.apply_async((self._value,), **how)
        if len(others) > 1:
            group(others, app=self._app).apply_async((self._value,), **how)
        elif others:
            others[0].apply_async((self._value,), **how)
        if self._chain:
            *rest, last = self._chain  # Celery keeps them in reverse
            link = signature(last, app=self._app)
            link.apply_async((self._value,), chain=rest, **how)

    def _how(self) -> dict[str, Any]:
        request, priority = self._job.request, None
        if self._app.conf.task_inherit_parent_priority:
            priority = (request.delivery_info or {}).get("priority")
        root = request.root_id or request.id
        return {"parent_id": request.id, "root_id": root, "priority": priority}

    @property
    def _app(self) -> Celery:
        return self._task.app


def following(task: Task, job: RunningJob, verdict: Verdict) -> Following | None:
    """Return what follows a job that has returned; None if nothing does, or not by us.

    Only what consists of jobs can be written: the message of a plain task would leave before
    the commit.  Chords are counted by the result backend, which no transaction of ours takes
    back.  Both are sent by Celery afterwards, as ever.
    """
    succeeded = verdict.ending is not None and verdict.ending.to == State.SUCCEEDED
    if job.eager or verdict.error is not None or not succeeded:
        return None
    wanted = [*(job.request.callbacks or ()), *(job.request.chain or ())[-1:]]
    if not wanted or not all(_is_of_jobs(each, task.app) for each in wanted):
        return None
    return Following(task, job, verdict.value)


def _is_of_jobs(given: Any, app: Celery) -> bool:
    """Whether all that a signature publishes at once makes jobs."""
    wanted = signature(given, app=app)
    if isinstance(wanted, chord):
        return False
    if isinstance(wanted, group | _chain):
        first = wanted.tasks[:1] if isinstance(wanted, _chain) else wanted.tasks
        return all(_is_of_jobs(each, app) for each in first)
    task = app.tasks.get(wanted.task)
    return is_recorded(task, wanted.kwargs) and wanted.options.get("track", True)
