"""System checks of the project's tasks, which are imported for them as a worker does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning,  # noqa: A004 - Django's own name
    register,
)

from celery_jobman.runtime import installation, task_inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Tasks of Celery's, which only the runtime knows.
Tasks = Sequence[Any]

#: Names shown of a long list.
SHOWN = 5


@register(Tags.compatibility)
def tasks_are_sound(**_: Any) -> list[CheckMessage]:
    """Say what is odd about the project's tasks."""
    found = task_inventory.tasks()
    hint = "No worker can start until then; mend the task, or say track=False."
    errors = [Error(str(error), hint=hint, id="jobman.E002") for error in task_inventory.refused()]
    return [*errors, *(message for look in _LOOKS for message in look(found))]


def _doubtful(found: Tasks) -> Iterator[CheckMessage]:
    for name, text in task_inventory.doubts(found):
        hint = "Mend the name; if the attribute is your own, silence this check."
        yield Warning(f"task {name} {text}", hint=hint, id="jobman.W004")


def _miscounting(found: Tasks) -> Iterator[CheckMessage]:
    for name, text in task_inventory.miscounting(found):
        hint = "Give the task either max_attempts and backoff, or Celery's own retries."
        yield Warning(f"task {name}: {text}", hint=hint, id="jobman.W005")


def _plain(found: Tasks) -> Iterator[CheckMessage]:
    plain = task_inventory.plain(found) if task_inventory.are_jobs_by_default() else []
    if plain:
        yield Warning(
            f"the app makes jobs of its tasks, but these have a base class of Celery's and are"
            f" none: {_listed(plain)}",
            hint="Their calls are not kept in the database. Derive their base from app.Task or"
            ' JobTask, record them with JOBMAN["TRACK"], or say track = False on them.',
            id="jobman.W006",
        )


def _foreign_requests(found: Tasks) -> Iterator[CheckMessage]:
    foreign = task_inventory.with_foreign_request(found)
    if foreign:
        yield Error(
            f"the Request of these tasks is no subclass of Celery's: {_listed(foreign)}",
            hint="No worker can start with it. Derive it from celery.worker.request.Request.",
            id="jobman.E003",
        )


def _two_faced(found: Tasks) -> Iterator[CheckMessage]:
    for name, job, plain in task_inventory.two_faced(found)[:SHOWN]:
        yield Warning(
            f"task {name} is a job in the app {job!r}, and plain in the app {plain!r}",
            hint="What a worker of one enqueues, a worker of the other may run. Give both apps"
            ' task_cls="celery_jobman:JobTask", or the task base=JobTask.',
            id="jobman.W008",
        )


def _unmatched(found: Tasks) -> Iterator[CheckMessage]:
    for pattern in task_inventory.unmatched(found) if found else ():
        yield Warning(
            f'the pattern {pattern!r} of JOBMAN["TRACK"] matches no plain task',
            hint="Patterns are held against names of tasks that are no JobTask, such as"
            " 'shop.tasks.*'.",
            id="jobman.W012",
        )


_LOOKS = (
    _doubtful, _miscounting, _plain, _foreign_requests, _two_faced, _unmatched,
)  # fmt: skip


@register(Tags.compatibility)
def versions_are_tested(**_: Any) -> list[CheckMessage]:
    """Warn when a release runs here with which the package was not tested."""
    return [
        Warning(
            f"{name} {version} runs here; celery-jobman is tested with {tested}",
            hint=f"Install a release of {name} in that range, or of celery-jobman that knows it.",
            id="jobman.W010",
        )
        for name, version, tested in installation.untested()
    ]


def _listed(found: Tasks) -> str:
    names = [task.name for task in found]
    return ", ".join(names[:SHOWN]) + (f", and {len(names) - SHOWN} more" if names[SHOWN:] else "")
