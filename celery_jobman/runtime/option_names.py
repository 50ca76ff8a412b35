"""Names of the options of a call: Celery's, those of its messages, and ours.

Celery hands an option that it does not know to the message, where nobody looks for it.  So a
misspelled one would travel in silence.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

from celery import Celery, Task
from celery.app.amqp import AMQP
from kombu import Producer

from celery_jobman.core import behind
from celery_jobman.exceptions import OptionRefused, TaskWarning, did_you_mean, nearest
from celery_jobman.runtime.declarations import ALIKE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: What takes options by name, each in its own way, on the way of a call to the broker.
_READERS: tuple[Callable[..., Any], ...] = (
    Task.apply_async,
    Task.apply,
    Celery.send_task,
    AMQP.as_task_v2,
    Producer.publish,
)
#: Properties of messages, and what canvas and routes add to a call.
_OTHERS = (
    "app_id", "application_headers", "cluster_id", "correlation_id", "expiration", "message_id",
    "timestamp", "type", "user_id", "MessageAttributes", "MessageDeduplicationId",
    "MessageGroupId", "DelaySeconds", "queue", "exchange_type", "immutable", "subtask_type",
    "stamped_headers", "interval", "max_retries", "errbacks", "callbacks", "base",
    "periodic_task_name",  # of django-celery-beat
)  # fmt: skip


def _names(reader: Callable[..., Any]) -> Iterable[str]:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return (
        each.name for each in inspect.signature(reader).parameters.values() if each.kind in named
    )


#: Options of ours, of a call and of a member of a workflow.
OWN = frozenset({"owner", "tags", "attribs", "after_commit", "track", "allow_failure"})
KNOWN = frozenset(
    {*(name for reader in _READERS for name in _names(reader)), *_OTHERS, *OWN, behind.KEY}
)


def check(options: Mapping[str, Any]) -> None:
    """Refuse misspelled options of ours, and warn of others that nobody knows.

    Raises:
        OptionRefused: The message names the option that was meant.
    """
    unknown = options.keys() - KNOWN
    if not unknown:
        return
    for name in sorted(unknown - set(options.get("stamped_headers") or ())):
        meant = nearest(name, OWN, ALIKE)
        if meant is not None:
            raise OptionRefused(name, options[name], f"there is no such option; write {meant}")
        _warn(name)


def _warn(name: str) -> None:
    text = f"the option {name} of a call is none of Celery's or ours, and travels in the message"
    warnings.warn(TaskWarning(f"{text}{did_you_mean(name, KNOWN)}"), stacklevel=4)
