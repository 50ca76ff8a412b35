"""The bootstep that a worker gains by itself: it makes the worker known, and keeps its jobs."""

from __future__ import annotations

import atexit
import logging
import os
from typing import Any

from celery import bootsteps
from django.db import connections

from celery_jobman.core import workers
from celery_jobman.runtime import (
    declarations,
    forking,
    identity,
    inspection,  # noqa: F401 - registers the command
)
from celery_jobman.runtime.keeping import Keeping

logger = logging.getLogger("celery_jobman")

_keeping: Keeping | None = None


class Keeper(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts the keeper's thread before the pool forks, and leaves it on until the end.

    The heartbeat must go on while the pool finishes its last jobs, which is after Celery has
    stopped this step; the goodbye is therefore said when the process exits.
    """

    label = "Jobman"

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        for error in declarations.refused(parent.app):
            raise error
        self.me = identity.become(parent.hostname, _pool_name(parent))

    def start(self, parent: Any) -> None:
        """Make the worker known, and start the thread."""
        global _keeping  # noqa: PLW0603 - one worker a process
        _keeping = Keeping(parent, self.me)
        _keeping._attempt(_keeping.beat)  # noqa: SLF001 - known before the first claim
        connections.close_all()
        if hasattr(os, "register_at_fork"):
            forking.guard.install()
        _keeping.start()
        atexit.register(say_goodbye, os.getpid())

    def stop(self, parent: Any) -> None:
        """Tell the pool's processes that the worker is stopping."""
        identity.begin_stopping()

    def terminate(self, parent: Any) -> None:
        """Do the same when the worker is stopping at once."""
        identity.begin_stopping()


def _pool_name(parent: Any) -> str:
    return str(parent.pool_cls.__module__).rpartition(".")[2]


def say_goodbye(pid: int | None = None, **_: Any) -> None:
    """Note that this worker has stopped, so that what it still holds is taken back at once."""
    global _keeping
    keeper, _keeping = _keeping, None
    if keeper is None or (pid is not None and pid != os.getpid()):
        return
    keeper.leaving = True
    try:
        workers.leave(keeper.me.worker_id)
    except Exception:  # noqa: BLE001 - the process is going away; silence will tell
        logger.warning("Worker could not say goodbye worker=%s", keeper.me.hostname)
    connections.close_all()
