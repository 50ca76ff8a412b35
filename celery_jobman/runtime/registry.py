"""The registry: finding a task by its name, wherever the project's tasks were not imported yet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from celery import current_app

if TYPE_CHECKING:
    from celery import Task

logger = logging.getLogger("celery_jobman")


def find(name: str) -> Task | None:
    """Return the task of this name; None when the project has none.

    A web process may not have imported every module with tasks.  They are imported as a worker
    does it, the first time a name is not known.
    """
    if name not in current_app.tasks:
        try:
            current_app.loader.import_default_modules()
        except Exception:
            logger.exception("The project's tasks could not be imported")
    return current_app.tasks.get(name)
