"""What only a worker's main process sees of a job: a killed child, a hard time limit.

These hooks run inside the worker's event loop, where a database write would hold up every
other task.  They only put a note into the keeper's inbox; its thread does the rest.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.utils.imports import symbol_by_name
from celery.worker import state
from celery.worker.request import Request, task_ready
from django.core.exceptions import ImproperlyConfigured

from celery_jobman.runtime import keeping, losses, messages
from celery_jobman.runtime.losses import Loss

if TYPE_CHECKING:
    from celery import Task


class JobRequest(Request):  # type: ignore[misc]
    """A request whose abnormal ends are decided by the job's row."""

    def on_failure(
        self,
        exc_info: Any,
        send_failed_event: bool = True,
        return_ok: bool = False,
    ) -> Any:
        """Hand a lost process to the keeper; leave every other failure to Celery."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if not self._is_job():
            return super().on_failure(exc_info, send_failed_event, return_ok)
        if isinstance(error, TimeLimitExceeded):
            return self._leave_to_on_timeout()
        if isinstance(error, MemoryError):
            return self._keep_worker()
        if self._lost(error):
            return self._hand_over("its process was killed or exited", error)
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Hand a hard time limit to the keeper."""
        if soft or not self._is_job() or state.should_terminate:
            super().on_timeout(soft, timeout)
            return
        self._hand_over(f"its hard time limit of {timeout} s ran out", TimeLimitExceeded(timeout))

    def _is_job(self) -> bool:
        return bool(getattr(self.task, "track", False))

    def _lost(self, error: BaseException) -> bool:
        if self._already_cancelled or self._already_revoked or isinstance(error, Terminated):
            return False
        return isinstance(error, WorkerLostError | SystemExit | KeyboardInterrupt)

    def _leave_to_on_timeout(self) -> None:
        task_ready(self)

    def _keep_worker(self) -> None:
        # The child has stored the failure.  Celery would end the whole worker here.
        task_ready(self)
        if self.task.acks_late:
            self.acknowledge()

    def _hand_over(self, why: str, error: BaseException) -> None:
        task_ready(self)
        if self.task.acks_late:
            self.acknowledge()
        header = messages.header_of(self._context)
        cause = error if isinstance(error, Exception) else WorkerLostError(str(error))
        loss = Loss(task_id=self.id, pid=self.worker_pid, header=header, why=why, error=cause)
        keeping.note(partial(losses.settle, loss))


def combined(task: Task) -> type[JobRequest]:
    """Return the class of a task's requests: :class:`JobRequest`, below one of the project's own.

    Each method of the project's runs first, and ours is what it calls through ``super()``.

    Raises:
        ImproperlyConfigured: ``task.Request`` is no class of Celery's requests.
    """
    own = symbol_by_name(task.Request)
    if isinstance(own, type) and issubclass(own, Request):
        return _below(own)
    msg = (
        f"{task.name}.Request is {own!r}, which is no subclass of "
        "celery.worker.request.Request: without it nobody learns of a lost process"
    )
    raise ImproperlyConfigured(msg)


@cache
def _below(own: type[Request]) -> type[JobRequest]:
    if issubclass(own, JobRequest):
        return own
    if own is Request:
        return JobRequest
    return type(own.__name__, (own, JobRequest), {"__module__": own.__module__})
