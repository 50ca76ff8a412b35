"""The bootstep that a worker gains by itself: it makes the worker known, and keeps its jobs."""

from __future__ import annotations

import atexit
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import bootsteps
from django.db import connections

from celery_jobman.core import workers
from celery_jobman.runtime import (
    connection,
    declarations,
    forking,
    identity,
    inspection,  # noqa: F401 - registers the command
    supervisor,
)
from celery_jobman.runtime.keeping import Keeping

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("celery_jobman")

#: Longest that the end of a worker waits for each of its threads, in seconds.
PATIENCE = 5.0

_keeping: Keeping | None = None


class Keeper(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts the keeper's thread before the pool forks, and leaves it on until the end.

    The heartbeat must go on while the pool finishes its last jobs, which is after Celery has
    stopped this step; the goodbye is therefore said when Celery has stopped the whole worker.
    Where bodies go on even then, in threads that nobody can kill, it is said when the process
    exits.
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
        # Celery's signal worker_shutdown is not sent when a worker is terminated.
        blueprint = parent.blueprint
        blueprint.on_stopped = partial(end, parent, blueprint.on_stopped)
        atexit.register(say_goodbye, os.getpid())

    def stop(self, parent: Any) -> None:
        """Tell the pool's processes that the worker is stopping."""
        identity.begin_stopping()

    def terminate(self, parent: Any) -> None:
        """Do the same when the worker is stopping at once."""
        identity.begin_stopping()


def _pool_name(parent: Any) -> str:
    return str(parent.pool_cls.__module__).rpartition(".")[2]


def end(controller: Any, stopped: Callable[[], object] | None) -> None:
    """Leave nothing of a worker that Celery has stopped: no thread, connection or identity.

    Args:
        controller: Celery's worker.
        stopped: What Celery itself does then.
    """
    if stopped is not None:
        stopped()
    keeper = _keeping
    if keeper is None or keeper.controller is not controller or not supervisor.is_idle():
        return
    keeper.leave(PATIENCE)
    say_goodbye()
    supervisor.retire(PATIENCE)
    identity.resign()
    connection.close_private()
    connections.close_all()


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
