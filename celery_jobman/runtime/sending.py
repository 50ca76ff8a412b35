"""Sending: a message leaves as Celery sends it, and nobody is told of it again.

Receivers of Celery's publish signals, and whoever has wrapped ``send_task``, have seen the call
when its row was written, in the caller's thread and context; see
:mod:`celery_jobman.runtime.propagation`.  The message leaves later, from another thread or
another process, where a trace, a tenant or a thread-local is that of somebody else.
"""

from __future__ import annotations

import inspect
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.utils.dispatch import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

#: Stand in for :mod:`celery.signals`: nobody listens.
_SILENCE = SimpleNamespace(
    before_task_publish=Signal(name="before_task_publish"),
    after_task_publish=Signal(name="after_task_publish"),
    task_sent=Signal(name="task_sent"),
)
#: Where an app's ``amqp`` keeps its silent sender, beside Celery's own.
_KEPT = "jobman_send_task_message"


class _With:
    """An object with some attributes of its own, and all others of another one."""

    def __init__(self, other: Any, **own: Any) -> None:
        vars(self).update(own, _other=other)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)


def send_task(app: Celery, name: str, args: Any, kwargs: Any, **options: Any) -> Any:
    """Do what ``app.send_task`` does in Celery itself, without signals.

    Args:
        app: The Celery app.
        name: The task's name.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        **options: As for :meth:`celery.Celery.send_task`.

    Returns:
        The result, as Celery returns it.

    Raises:
        Exception: What the transport raises.
    """
    amqp = _With(app.amqp, send_task_message=message_sender(app))
    return inspect.unwrap(Celery.send_task)(_With(app, amqp=amqp), name, args, kwargs, **options)


def message_sender(app: Celery) -> Callable[..., Any]:
    """Return what ``app.amqp.send_task_message`` is in Celery, made to send no signals.

    Celery binds the signals when it makes that function.  So it is made once more, by the very
    same code, with others in their place.
    """
    known = vars(app.amqp)
    if _KEPT not in known:
        own: Any = inspect.unwrap(type(app.amqp)._create_task_sender)  # noqa: SLF001 - as said above
        silent = {**own.__globals__, "signals": _SILENCE}
        known[_KEPT] = FunctionType(own.__code__, silent, closure=own.__closure__)(app.amqp)
    return known[_KEPT]  # type: ignore[no-any-return]
