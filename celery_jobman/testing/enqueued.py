"""Enqueued: assertions about the jobs that wait to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.models import Job
from celery_jobman.runtime import messages
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from celery import Task

#: States in which a job has been enqueued and has not begun.
WAITING = (State.SCHEDULED, State.BLOCKED, State.QUEUED)
#: Most jobs that a failed assertion lists.
LISTED = 20


def assert_enqueued(
    task: Task | str,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    count: int | None = None,
    **columns: Any,
) -> Job:
    """Assert that a job of ``task`` waits to run, and return it.

    Args:
        task: The task, or its name.
        args: Its positional arguments, all of them; None: any.
        kwargs: Its keyword arguments, all of them; None: any.
        count: Exactly so many; None: at least one.
        **columns: Further columns of ``Job`` and their values,
            such as ``queue="mails"`` or ``priority=3``.

    Returns:
        The newest of them.

    Raises:
        AssertionError: There is none, or another number of them.  The message lists what waits.
    """
    name = _name(task)
    matching = _matching(name, args, kwargs, columns)
    wanted = _wanted(name, args, kwargs, columns)
    if count is not None and len(matching) != count:
        raise AssertionError(f"{len(matching)} jobs match {wanted}, not {count}; {_all()}")
    if not matching:
        raise AssertionError(f"no job matches {wanted}; {_all()}")
    return matching[0]


def assert_not_enqueued(
    task: Task | str,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    **columns: Any,
) -> None:
    """Assert that no job of ``task`` waits to run; see :func:`assert_enqueued`.

    Raises:
        AssertionError: There is one.
    """
    name = _name(task)
    matching = _matching(name, args, kwargs, columns)
    if matching:
        wanted = _wanted(name, args, kwargs, columns)
        raise AssertionError(f"{len(matching)} jobs match {wanted}: {_described(matching[0])}")


def _name(task: Task | str) -> str:
    return task if isinstance(task, str) else str(task.name)


def _matching(name: str, args: Any, kwargs: Any, columns: dict[str, Any]) -> list[Job]:
    jobs = Job.objects.filter(state__in=WAITING, task=name, **columns).order_by("-pk")
    return [job for job in jobs if _fits(job, args, kwargs)]


def _fits(job: Job, args: Any, kwargs: Any) -> bool:
    positional, named = messages.decode(job.args), messages.decode(job.kwargs)
    return (args is None or list(args) == positional) and (kwargs is None or dict(kwargs) == named)


def _wanted(name: str, args: Any, kwargs: Any, columns: dict[str, Any]) -> str:
    given = [repr(each) for each in args or ()]
    given += [f"{key}={value!r}" for key, value in (kwargs or {}).items()]
    call = f"{name}({', '.join(given)})" if args is not None or kwargs is not None else name
    more = ", ".join(f"{key}={value!r}" for key, value in columns.items())
    return f"{call} with {more}" if more else call


def _all() -> str:
    jobs = list(Job.objects.filter(state__in=WAITING).order_by("-pk")[: LISTED + 1])
    if not jobs:
        return "no job waits"
    described = [_described(job) for job in jobs[:LISTED]]
    more = ["…"] if len(jobs) > LISTED else []
    return "what waits: " + "; ".join([*described, *more])


def _described(job: Job) -> str:
    return f"{job.task} {job.args} {job.kwargs} on {job.queue!r}"
