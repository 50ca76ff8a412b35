"""Moulds: members of a workflow that differ only in their arguments are composed once.

What ``apply_async`` makes of its options (queue, message, steps, tags …) is the same for all
signatures of one task with equal options, unless a router looks at the arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.app.routes import MapRoute
from celery.app.task import Task
from django.db.models.base import ModelState

from celery_jobman.core.redaction import preview
from celery_jobman.models import Job
from celery_jobman.runtime import messages
from celery_jobman.runtime.task import MAPS

if TYPE_CHECKING:
    from celery_jobman.runtime.task import JobTask


class Moulds:
    """Makes jobs; remembers the last kind that it made."""

    def __init__(self) -> None:
        self._kind: tuple[JobTask, dict[str, Any]] | None = None
        self._first: dict[str, Any] = {}

    def job(
        self, task: JobTask, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> Job:
        """Return an unsaved job for a call of ``task.apply_async``, without an id of its own.

        Raises:
            TypeError: The arguments do not fit the task's signature.
            UnencodableValue: An argument is not JSON.
        """
        if self._kind == (task, options):
            return self._cast(task, args, kwargs)
        kind = (task, dict(options))
        job = _composed(task, args, kwargs, options)
        self._kind = kind if _is_alike(task) else None
        self._first = dict(vars(job))
        return job

    def _cast(self, task: JobTask, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job:
        task._check_arguments(args, kwargs)  # noqa: SLF001 - one package
        job = Job.__new__(Job)
        vars(job).update(self._first, _state=ModelState())
        job.args, job.kwargs = messages.encode_arguments(args, kwargs)
        job.preview = preview(*job.arguments)
        return job


def _composed(
    task: JobTask, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> Job:
    shadow, task_id = options.pop("shadow", None), options.pop("task_id", None)
    args, kwargs, merged = task._prepare(args, kwargs, shadow, options)  # noqa: SLF001 - one package
    return messages.compose(task, args, kwargs, task_id, merged)


def _is_alike(task: JobTask) -> bool:
    """Whether nothing but the arguments themselves depends on the arguments."""
    if getattr(task, "pydantic", False) or type(task).shadow_name is not Task.shadow_name:
        return False
    if task.name in MAPS:
        return False
    return all(isinstance(route, MapRoute) for route in task.app.amqp.router.routes or ())
