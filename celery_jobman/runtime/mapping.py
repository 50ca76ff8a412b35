"""Mapping: ``task.map``, ``task.starmap`` and the parts of ``task.chunks``, each of them one job.

Celery sends them as tasks of its own, which call the mapped task as a function, item by item.
They are jobs if calls of the mapped task are.  As a job the loop is an iteration: its progress
shows, it can be cancelled between two items, and another attempt goes on with the item that
was not done, keeping the results of those that were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.runtime import messages
from celery_jobman.runtime.running import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Task

    from celery_jobman.runtime.running import RunningJob

#: The step that the loop is.
STEP = "items"


def run(task: Task, job: RunningJob, kwargs: Mapping[str, Any]) -> list[Any]:
    """Call the mapped task with each item that no earlier attempt has done; return all results.

    Raises:
        UnencodableValue: A result is not JSON, though Celery is to store it as that.
        Exception: Whatever the mapped task raises.
    """
    mapped, items = task.app.tasks[kwargs["task"]["task"]], list(kwargs["it"])
    unpack = task.name == "celery.starmap"

    def call(index: int) -> Any:
        args = items[index] if unpack else (items[index],)
        with job.runner.part(f"{STEP}/{index}"):
            result = mapped(*args)
        return result.value if isinstance(result, Completed) else result

    if task.app.conf.result_serializer != "json":
        return [call(index) for index in range(len(items))]  # no checkpoint could keep these
    ignored = job.request.ignore_result or task.ignore_result
    return _resumably(job, call, len(items), ignored=ignored)


def _resumably(
    job: RunningJob, call: Callable[[int], Any], total: int, *, ignored: bool
) -> list[Any]:
    texts: list[str] = []
    loop = job.iterate(
        STEP, lambda _: range(len(texts), total), total=total, cursor=lambda _: texts
    )
    texts += loop.cursor or ()
    for index in loop:
        result = call(index)
        texts.append("null" if ignored else messages.encode(result, f"result {index}"))
    return [messages.decode(text) for text in texts]
