"""Propagation: what the context of a call puts into its message is kept with the row.

Tracing, request ids and tenants travel in the headers of messages.  Their libraries add them
where Celery publishes: in receivers of ``before_task_publish``, or by wrapping ``send_task`` or
``apply_async``.  They look at what surrounds the caller: the current span, a thread-local, the
state of a database connection.  A job's message leaves from another thread, and often from
another process, where none of that is left.

So a call is published twice.  First here, in the caller's thread and transaction, to a producer
whose ``publish`` is to write the row: Celery's own code runs, with all that is hooked into it,
and the headers that come out are kept with the job.  Then, as often as the job needs a message,
without them (:mod:`celery_jobman.runtime.sending`).  Where nobody is hooked in, the first is
left out.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from types import FunctionType, MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from celery import signals
from celery.result import AsyncResult

from celery_jobman.runtime import messages
from celery_jobman.runtime.task import JobTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery, Task

    from celery_jobman.models import Job

logger = logging.getLogger("celery_jobman")

#: What Celery sends while it publishes.
_SIGNALS: Final = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
#: Receivers of ours, by the first part of their keys: they pass over messages of jobs.
_OURS: Final = frozenset({"jobman", "jobman.tracking"})


def is_watched(task: Task) -> bool:
    """Whether anybody but Celery and us has a part in publishing a call of a task."""
    return (
        any(key[0] not in _OURS for signal in _SIGNALS for key, *_ in signal.receivers)
        or _home(task.app.send_task) != "celery.app.base"
        or _home(_next_apply_async(task)) != "celery.app.task"
    )


def publish(task: Task, job: Job, write: Callable[[], object]) -> dict[str, Any] | None:
    """Let a call be published as Celery does it, but that its row is written, and nothing sent.

    Args:
        task: The task.
        job: The unsaved job.  It is given the headers that its messages will have, and the
            queue, the priority and the arguments, should somebody have changed them.
        write: Called when the message would be handed to the broker; writes the row.

    Returns:
        The headers, without Celery's and ours.  None: somebody who wraps the call has not made
        it, and nothing was written.

    Raises:
        Exception: What ``write`` raises, or who wraps the call.
    """
    producer = _RowProducer(task.app, job, write)
    _let_backend_wait(task.app.backend)
    args, kwargs = messages.decode(job.args), messages.decode(job.kwargs)
    options = _options(job)
    apply_async = _next_apply_async(task)
    if _home(apply_async) in {"celery.app.task", _home(task.app.send_task)}:
        send: Any = task.app.send_task  # who wraps both would be asked twice
        result = send(task.name, args, kwargs, producer=producer, task_type=task, **options)
    else:
        result = apply_async(args, kwargs, producer=producer, **options)
    if isinstance(result, AsyncResult):
        result.backend = None  # being dropped it would end a subscription that is not its own
    return producer.headers


def stamp(task: Task, job: Job) -> None:
    """Give a job that will be written later the headers of the caller's context, if any."""
    if is_watched(task) and not task.app.conf.task_always_eager:
        publish(task, job, _nothing)


def _nothing() -> None:
    pass


def _next_apply_async(task: Task) -> Any:
    return super(JobTask, task).apply_async if isinstance(task, JobTask) else task.apply_async


def _home(call: Any) -> str:
    """Return the name of the module that a function or method is written in."""
    own = call.__func__ if type(call) is MethodType else call  # a proxy shows what it wraps
    if type(own) is FunctionType:  # functools.wraps copies ``__module__``, but not this
        return str(own.__globals__.get("__name__"))
    return str(type(own).__module__)


def _options(job: Job) -> dict[str, Any]:
    wanted = messages.publish_options(job)
    if job.available_at is not None:
        wanted["eta"] = job.available_at
    return wanted | {"add_to_parent": False, "retry": False}


class _RowProducer:
    """A producer for one message, which is kept in a row instead of being sent."""

    #: Nothing is raised here that Celery would have to translate.
    connection = SimpleNamespace(_reraise_as_library_errors=nullcontext)

    def __init__(self, app: Celery, job: Job, write: Callable[[], object]) -> None:
        self._app = app
        self._job = job
        self._write = write
        #: None until there is a row.
        self.headers: dict[str, Any] | None = None

    def publish(
        self, body: Any, *_: Any, headers: Mapping[str, Any] | None = None, **how: Any
    ) -> None:
        """Take the message; what follows it is an event, and is sent when the message is."""
        if self.headers is not None:
            return
        job = self._job
        added = _added(self._app, headers or {})
        job.message, added = messages.with_headers(job.message, added)
        if isinstance(body, tuple):
            job.args, job.kwargs = messages.encode_arguments(body[0], body[1])
        job.priority = how.get("priority")
        if not how.get("exchange") and how.get("routing_key"):
            job.queue = how["routing_key"]
        self._write()
        self.headers = added


def _added(app: Celery, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that Celery has not made itself, nor we."""
    known = {*app.amqp.as_task_v2("id", "name").headers, messages.HEADER}
    added = {name: value for name, value in headers.items() if name not in known}
    inner = added.get("headers")  # Sentry's copies for ``request.headers``
    if isinstance(inner, dict):
        added["headers"] = {k: v for k, v in inner.items() if k != messages.HEADER}
    return added


class _Subscription:
    """A result backend's ``on_task_call``, which may have to wait for its server.

    It is for when the message is sent, not for when the row is written.
    """

    def __init__(self, own: Callable[..., Any]) -> None:
        self._own = own

    def __call__(self, producer: Any, task_id: str) -> Any:
        return None if isinstance(producer, _RowProducer) else self._own(producer, task_id)


def _let_backend_wait(backend: Any) -> None:
    if not isinstance(backend.on_task_call, _Subscription):
        backend.on_task_call = _Subscription(backend.on_task_call)
