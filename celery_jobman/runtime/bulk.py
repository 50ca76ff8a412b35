"""Bulk: the messages of many jobs, for less than by a call of Celery's for each.

``app.send_task`` looks up settings, makes a result and binds the queue anew for each message.
Here that is done once for all that are alike, and where the transport can (Redis, from kombu
5.7) they travel in one pipeline.  What is sent is the same, and so are the signals.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.backends.rpc import RPCBackend
from celery.utils.saferepr import saferepr

from celery_jobman.core import moments
from celery_jobman.runtime import messages, publishing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu import Producer

    from celery_jobman.models import Job

logger = logging.getLogger("celery_jobman")

#: Options that a message may have to be sent from here; with others it takes Celery's way.
OF_BODY = frozenset({
    "root_id", "parent_id", "group_id", "group_index", "retries", "shadow", "reply_to",
    "time_limit", "soft_time_limit", "ignore_result",
})  # fmt: skip
OF_PUBLISH = frozenset({
    "queue", "headers", "priority", "serializer", "compression", "delivery_mode",
})  # fmt: skip
OURS = OF_BODY | OF_PUBLISH | {"task_id"}

#: Messages in one pipeline: enough that the way to the broker and back is little for each.
TOGETHER = 100


def send(
    app: Celery, jobs: Sequence[Job], taken: list[Job], send_task: Callable[..., object]
) -> None:
    """Send the messages of queued jobs, in order, through one producer.

    Should a pipeline fail, nobody knows what has left in it: then its messages are sent one by
    one.  A second message of a job does no harm, for the row decides.

    Args:
        app: The Celery app.
        jobs: The jobs with all their columns.
        taken: Is given the jobs whose messages the broker has taken, as far as can be known.
        send_task: Called with the app, a job, its options if they differ from the row's (None),
            and ``producer``; sends what cannot be sent from here.

    Raises:
        Exception: What the transport raises, for the first job that is not in ``taken``.
    """
    with app.producer_or_acquire() as producer:
        sender = _Sender(app, producer, send_task)
        if getattr(producer, "supports_batch_publish", False):
            _together(sender, producer, jobs, taken)
        for job in jobs[len(taken) :]:
            sender.send(job)
            taken.append(job)
            moments.reached("published")


def _together(sender: _Sender, producer: Producer, jobs: Sequence[Job], taken: list[Job]) -> None:
    try:
        with producer.batch(max_size=TOGETHER):
            for job in jobs:
                sender.send(job, retry=False)
    except Exception as error:  # noqa: BLE001 - raised again by the one it belongs to
        logger.info("Messages are sent one by one count=%s error=%r", len(jobs), error)
        sender.declared.clear()
        return
    taken.extend(jobs)
    for _ in jobs:
        moments.reached("published")


class _Sender:
    """Makes messages, and hands them to a producer."""

    def __init__(self, app: Celery, producer: Producer, send_task: Callable[..., object]) -> None:
        self._app = app
        self._producer = producer
        self._send_task = send_task
        self._is_own = _is_celerys(app)
        self._sends_event = app.conf.task_send_sent_event
        self._levels = getattr(app.conf, "task_repr_maxlevels", 3)
        #: Queues that were declared through this channel.
        self.declared: set[str] = set()

    def send(self, job: Job, **how: Any) -> None:
        """Send one message; with ``retry=False`` a connection that broke is not renewed."""
        wanted = messages.publish_options(job)
        if self._is_own and wanted.keys() <= OURS:
            self._send(job, wanted, **how)
        else:
            self._send_task(self._app, job, None, producer=self._producer)

    def _send(self, job: Job, wanted: dict[str, Any], **how: Any) -> None:
        args, kwargs = messages.decode(job.args), messages.decode(job.kwargs)
        how |= {name: wanted[name] for name in OF_PUBLISH & wanted.keys()}
        amqp, task = self._app.amqp, self._app.tasks.get(job.task)
        how = amqp.router.route(how, job.task, args, kwargs, task)
        if how.get("retry") is False and job.queue in self.declared:
            how["declare"] = []
        amqp.send_task_message(
            self._producer,
            job.task,
            self._message(job, args, kwargs, wanted),
            retry_policy=publishing.RETRY_POLICY,
            **how,
        )
        self.declared.add(job.queue)

    def _message(self, job: Job, args: Any, kwargs: Any, wanted: dict[str, Any]) -> Any:
        amqp = self._app.amqp
        options: dict[str, Any] = {"ignore_result": None}
        options |= {name: wanted[name] for name in OF_BODY & wanted.keys()}
        options["reply_to"] = options.get("reply_to") or self._app.thread_oid
        return amqp.create_task_message(
            job.task_id,
            job.task,
            args,
            kwargs,
            argsrepr=saferepr(args or (), amqp.argsrepr_maxsize, maxlevels=self._levels),
            kwargsrepr=saferepr(kwargs, amqp.kwargsrepr_maxsize, maxlevels=self._levels),
            create_sent_event=self._sends_event,
            **options,
        )


def _is_celerys(app: Celery) -> bool:
    """Whether sending is what it is in Celery itself, and nobody's reply queue is to be made."""
    changed = type(app).send_task is not Celery.send_task or "send_task" in vars(app)
    return not changed and not isinstance(app.backend, RPCBackend)
