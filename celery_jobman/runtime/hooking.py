"""Hooking: calling a task's ``failed`` when one of its jobs has failed for good.

See :mod:`celery_jobman.core.hooks`.  The task that calls it is registered in the apps of the
tasks that have such a hook, and in no other.
"""

from __future__ import annotations

from uuid import UUID

from celery.app.task import Context
from celery.utils.serialization import create_exception_cls
from django.utils.module_loading import import_string

from celery_jobman.core.hooks import hooks
from celery_jobman.models import Job
from celery_jobman.runtime import registry
from celery_jobman.runtime.running import required_job
from celery_jobman.runtime.task import JobTask, overrides_hook


def install() -> None:
    """Let ends of jobs ask this process for hooks."""
    hooks.wanted = has_hook


def has_hook(name: str) -> bool:
    """Whether the task of this name says what to do when a job of it has failed."""
    return _hooked(name) is not None


def _hooked(name: str) -> JobTask | None:
    task = registry.find(name)
    return task if isinstance(task, JobTask) and overrides_hook(type(task)) else None


def call(job_id: str, error_class: str, error_message: str) -> None:
    """Call the hook of a job that has failed.

    Skips, with the completed code ``gone``, where the job or its task's hook is no more.
    """
    job = Job.objects.filter(pk=UUID(job_id)).first()
    task = _hooked(job.task) if job else None
    if job is None or task is None:
        required_job("a hook").skip("gone")
        return
    args, kwargs = job.arguments
    task.request_stack.push(Context(id=job.task_id, task=job.task, args=args, kwargs=kwargs))
    try:
        task.failed(exception(error_class, error_message))
    finally:
        task.request_stack.pop()


def exception(name: str, message: str) -> BaseException:
    """Return an exception as it was raised, as far as its class and its message tell.

    Args:
        name: Its class, with the module unless that is ``builtins``.
        message: What it said.

    Returns:
        One of the very class; if that cannot be found, one of another with the same name.
    """
    module, _, last = name.rpartition(".")
    found: type[BaseException] = _class_of(name) or create_exception_cls(last, module)
    try:
        return found(message)
    except Exception:  # noqa: BLE001 - it wants other arguments
        return found.__new__(found, message)


def _class_of(name: str) -> type[BaseException] | None:
    """Return the class of a dotted name, which may lie inside another one."""
    parts = name.split(".") if "." in name else ["builtins", name]
    for outermost in range(len(parts), 1, -1):
        try:
            found = import_string(".".join(parts[:outermost]))
            for part in parts[outermost:]:
                found = getattr(found, part)
        except (ImportError, AttributeError):
            continue
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
    return None
