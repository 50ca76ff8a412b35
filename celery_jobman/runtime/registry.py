"""The registry: finding a task by its name, wherever the project's tasks were not imported yet."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from celery import current_app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery import Task

logger = logging.getLogger("celery_jobman")

#: Names that were looked for and are nobody's.
_unknown: set[str] = set()


def find(name: str) -> Task | None:
    """Return the task of this name; None when the project has none.

    A web process may not have imported every module with tasks.  They are imported as a worker
    does it, the first time a name is not known.  That runs Django's system checks as well, so it
    is not done for the same name again, such as that of a task which was renamed.
    """
    if name not in current_app.tasks and name not in _unknown:
        _search(name)
    return current_app.tasks.get(name)


def _search(name: str) -> None:
    error = import_tasks()
    if error:
        logger.error("The project's tasks could not be imported", exc_info=error)
    elif name not in current_app.tasks:
        _unknown.add(name)


def import_tasks() -> Exception | None:
    """Import the modules in which the project's tasks are, as a worker does.

    Returns:
        What the project's modules raised; None when they are imported.
    """
    try:
        current_app.loader.import_default_modules()
    except Exception as error:  # noqa: BLE001 - whatever the project's modules raise
        return error
    return None


def effects(name: str, steps: Iterable[str]) -> dict[str, str]:
    """Return those of ``steps`` that the task declares to act outside, with what they do."""
    declared = getattr(find(name), "effects", None)
    if not isinstance(declared, Mapping):
        return {}
    return {step: str(declared[step]) for step in steps if step in declared}
