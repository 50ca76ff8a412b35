"""The inventory of tasks: which of a project's tasks are jobs, and what is odd about them.

Nothing here changes anything; :mod:`celery_jobman.checks.tasks` and ``jobman doctor`` put it in
words.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from celery import _state, current_app
from celery.utils.imports import symbol_by_name
from celery.worker.request import Request

from celery_jobman.conf import settings
from celery_jobman.runtime import declarations, registry
from celery_jobman.runtime.declarations import OWN
from celery_jobman.runtime.installation import FALLBACK
from celery_jobman.runtime.task import JobTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery import Celery, Task

    from celery_jobman.exceptions import TaskRefused

#: Celery's own way of leaving out the system checks when tasks are imported.
_SKIP_CHECKS = "CELERY_SKIP_CHECKS"

_taking: list[bool] = []


@contextmanager
def _alone() -> Iterator[bool]:
    """Take the inventory once: importing tasks runs the system checks, and they take it."""
    if _taking:
        yield False
        return
    before = os.environ.get(_SKIP_CHECKS)
    os.environ[_SKIP_CHECKS] = "1"
    _taking.append(True)
    try:
        yield True
    finally:
        _taking.pop()
        os.environ.pop(_SKIP_CHECKS)
        if before is not None:
            os.environ[_SKIP_CHECKS] = before


def tasks() -> list[Task]:
    """Import the project's tasks as a worker does, and return those of its app, by name.

    Returns:
        An empty list where the project has no app, or its tasks cannot be imported; without those
        that were refused.
    """
    with _alone() as is_first:
        if not is_first or current_app.main == FALLBACK:
            return []
        return [] if registry.import_tasks() else _of(current_app._get_current_object())  # noqa: SLF001


def _of(app: Celery) -> list[Task]:
    own = sorted((name, task) for name, task in app.tasks.items() if not name.startswith(OWN))
    return [task for _, task in own if not hasattr(task, "jobman_refused")]


def refused() -> list[TaskRefused]:
    """Return the errors of the tasks that are declared in a way that cannot work."""
    return declarations.refused(current_app)


def jobs(found: Iterable[Task]) -> list[JobTask]:
    """Return the tasks whose calls are jobs."""
    return [task for task in found if isinstance(task, JobTask) and task.track is not False]


def plain(found: Iterable[Task]) -> list[Task]:
    """Return the tasks whose calls are not recorded, although nothing says so.

    ``track = False`` on a task, or a pattern of ``JOBMAN["TRACK"]``, says what is meant.
    """
    return [
        task
        for task in found
        if not isinstance(task, JobTask)
        and getattr(task, "track", None) is not False
        and not any(fnmatchcase(task.name, pattern) for pattern in settings().track)
    ]


def are_jobs_by_default() -> bool:
    """Whether the project's app makes jobs of tasks that name no base class."""
    return issubclass(current_app.Task, JobTask)


def unmatched(found: Iterable[Task]) -> list[str]:
    """Return the patterns of ``JOBMAN["TRACK"]`` that no plain task has a name for."""
    names = [task.name for task in found if not isinstance(task, JobTask)]
    return [
        pattern
        for pattern in settings().track
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def with_foreign_request(found: Iterable[Task]) -> list[JobTask]:
    """Return the jobs whose ``Request`` a worker cannot combine with ours."""
    return [task for task in jobs(found) if not _is_a_request(symbol_by_name(task.Request))]


def _is_a_request(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, Request)


def two_faced(found: Iterable[Task]) -> list[tuple[str, str, str]]:
    """Return the names of tasks that are jobs in one app and plain in another, with the apps.

    A message is run by the app of the worker that takes it.
    """
    here = {task.name: isinstance(task, JobTask) for task in found}
    mine = current_app._get_current_object()  # noqa: SLF001
    return [
        (name, *((mine.main, other.main) if is_job else (other.main, mine.main)))
        for other in _others(mine)
        for name, is_job in here.items()
        if name in other._tasks and isinstance(other._tasks[name], JobTask) != is_job  # noqa: SLF001
    ]


def _others(mine: Celery) -> list[Celery]:
    """Return the other apps of this process that have registered their tasks."""
    apps = [app for app in _state._get_active_apps() if app is not mine and app.finalized]  # noqa: SLF001
    return sorted((app for app in apps if app.main != FALLBACK), key=lambda app: str(app.main))


def doubts(found: Iterable[Task]) -> list[tuple[str, str]]:
    """Return what looks like a mistake in a task's declaration, with the task's name."""
    of_jobs = (task for task in found if isinstance(task, JobTask))
    return [
        (task.name, text) for task in of_jobs for text in declarations.doubts(type(task), JobTask)
    ]


def miscounting(found: Iterable[Task]) -> list[tuple[str, str]]:
    """Return the jobs that Celery's retries and ``max_attempts`` count apart, with what counts."""
    return [(task.name, text) for task in jobs(found) for text in _what_counts(task)]


def _what_counts(task: JobTask) -> Iterator[str]:
    most = task.max_attempts
    if most is None:
        return
    listed = [error.__name__ for error in getattr(task, "autoretry_for", ())]
    if listed and "Exception" not in listed:
        yield (
            f"max_attempts={most} tries again after every exception, and not only after those of"
            f" autoretry_for ({', '.join(listed)})"
        )
    retries = getattr(task, "retry_kwargs", {}).get("max_retries", task.max_retries)
    if retries is None or retries > most - 1:
        yield (
            f"self.retry() and autoretry_for go on beyond max_attempts={most}, up to"
            f" max_retries={retries}"
        )
    elif retries < most - 1:
        yield f"max_retries={retries} ends nothing: max_attempts={most} counts"
