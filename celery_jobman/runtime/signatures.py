"""Signatures: whether edited arguments fit a task, before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.exceptions import ArgumentsRefused, UnknownTask
from celery_jobman.runtime import messages, registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from celery_jobman.models import Job


def bind(job: Job, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return edited arguments of a job as JSON text.

    Args:
        job: The job whose task and old arguments are meant.
        args: New positional arguments; None keeps the old ones.
        kwargs: New keyword arguments; None keeps the old ones.

    Raises:
        UnknownTask: The task is not registered in this process.
        ArgumentsRefused: They do not fit the task's signature.
        UnencodableValue: One of them is not JSON.
    """
    task = registry.find(job.task)
    if task is None:
        raise UnknownTask(job.task)
    new_args = messages.decode(job.args) if args is None else list(args)
    new_kwargs = messages.decode(job.kwargs) if kwargs is None else dict(kwargs)
    try:
        if task.typing:
            task.__header__(*new_args, **new_kwargs)
    except TypeError as error:
        raise ArgumentsRefused(job.task, error) from error
    return messages.encode_arguments(new_args, new_kwargs)
