"""Entrances: where Celery, or a base class of the project, comes into a task.

A job's attempt begins when its message begins to be executed, not when a method of ours is
reached: a base class may override ``__call__`` without calling ours, or raise in ``before_start``,
and Celery stores STARTED before either.  Celery assigns each tracer that it builds to
``task.__trace__``, in whichever pool; the assignment goes through :class:`Traced`, so that the
claim stands around all of it.  The methods that Celery calls in between are guarded in each class
that overrides them: what they raise is judged like an error of the body, before Celery stores it.

Importing this module needs no configured Django.
"""

from __future__ import annotations

from functools import partial, wraps
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Final

from celery import Task

from celery_jobman.runtime.engine import engine

if TYPE_CHECKING:
    from collections.abc import Callable

#: Attribute of a guarded method, and key of a task's own tracer.
GUARDED: Final = "jobman_guarded"
TRACE: Final = "__trace__"


class Traced:
    """``task.__trace__``: whatever tracer Celery assigns, the job is claimed before it runs."""

    def __get__(self, task: Task | None, owner: type | None = None) -> Any:
        return None if task is None else vars(task).get(TRACE)

    def __set__(self, task: Task, tracer: Callable[..., Any] | None) -> None:
        is_ours = tracer is None or is_guarded(tracer)
        vars(task)[TRACE] = tracer if is_ours else _claiming(task, tracer)


def _claiming(task: Task, tracer: Any) -> Any:
    def trace(uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        if not engine("task").is_recorded(task, kwargs):
            return tracer(uuid, args, kwargs, request)
        return engine("seam").trace(task, tracer, uuid, args, kwargs, request or {})

    return marked(trace)


def marked(method: Any) -> Any:
    """Mark a method as one that leads to :mod:`celery_jobman.runtime.seam`."""
    setattr(method, GUARDED, True)
    return method


def is_guarded(method: object) -> bool:
    """Whether a method was marked."""
    return getattr(method, GUARDED, False) is True


def call(task: Task, body: Callable[[], Any]) -> Any:
    """Run an attempt's body, or what a base class has put around it; also a plain call."""
    if task.request.called_directly:
        return body()
    return engine("seam").enter(task, body)


def _before_start(task: Task, hook: Callable[[], Any]) -> Any:
    if task.request.called_directly:
        return hook()
    return engine("seam").prepare(task, hook)


def _on_success(task: Task, hook: Callable[[], Any]) -> Any:
    return engine("seam").celebrate(task, hook)


#: What Celery calls, and a project overrides, in the course of an attempt.
_METHODS: Final = {"__call__": call, "before_start": _before_start, "on_success": _on_success}


def guard(task_class: type[Task]) -> None:
    """Guard what a class overrides of the methods that Celery calls in an attempt."""
    for name, enter in _METHODS.items():
        found = getattr_static(task_class, name)
        if found is not getattr_static(Task, name) and not is_guarded(found):
            setattr(task_class, name, _guarded(found, enter))


def _guarded(found: Any, enter: Callable[[Task, Callable[[], Any]], Any]) -> Any:
    @wraps(found)
    def method(self: Task, *args: Any, **kwargs: Any) -> Any:
        return enter(self, partial(found.__get__(self, type(self)), *args, **kwargs))

    return marked(method)
