"""The broker: publishing a job's message, now, after the commit or when it is due."""

from __future__ import annotations

import logging
import struct
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import SerializationError

from celery_jobman.conf import settings
from celery_jobman.core import dispatching, moments, schedule
from celery_jobman.exceptions import UnsendableMessage
from celery_jobman.models import Job
from celery_jobman.models.database import using
from celery_jobman.runtime import bulk, connection, messages, publishing, results, sending

logger = logging.getLogger("celery_jobman")

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from celery import Celery


def publish(
    job: Job, *, app: Celery | None = None, options: dict[str, Any] | None = None, **extra: Any
) -> None:
    """Send a queued job's message, within ``JOBMAN["PUBLISH_TIMEOUT"]``.

    Args:
        job: The job with all its columns.
        app: The Celery app; by default the current one.
        options: The caller's publish options, if the job was written in this call.
        **extra: Further options of ``send_task``, such as ``producer``.

    Raises:
        kombu.exceptions.OperationalError: The broker is away.  Nothing was sent, as far as
            can be known.
        UnsendableMessage: No broker could take the message.  Nothing was sent.
    """
    celery: Celery = app or current_app._get_current_object()  # noqa: SLF001 - the proxy is bound to its thread
    send = partial(_send, celery, job, options, **extra)
    try:
        if extra.get("producer") or extra.get("connection"):
            send()  # a caller's own connection stays in its thread, and takes the time it takes
        else:
            answer = partial(_send_for, celery, _own_backend(celery), send)
            publishing.within(settings().publish_timeout.total_seconds(), answer)
    except Exception as error:
        _forget_result(celery, job.task_id)
        raise _sorted(error, job) from error
    moments.reached("published")


#: What is raised where a message is made of values, options or a queue that are of no use.
_OF_ITS_OWN = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError,
    struct.error, SerializationError, ImproperlyConfigured,
)  # fmt: skip


def _sorted(error: Exception, job: Job) -> Exception:
    """Return an error of a publish as ours, if it is of the message and not of the broker."""
    return UnsendableMessage(job.task, error) if isinstance(error, _OF_ITS_OWN) else error


def _send(celery: Celery, job: Job, options: dict[str, Any] | None, **extra: Any) -> None:
    wanted = messages.publish_options(job, options)
    wanted |= {"add_to_parent": False, **extra}
    wanted.setdefault("retry_policy", publishing.RETRY_POLICY)
    args, kwargs = messages.decode(job.args), messages.decode(job.kwargs)
    sending.send_task(celery, job.task, args, kwargs, **wanted)


def publish_all(jobs: Sequence[Job]) -> tuple[int, Exception | None]:
    """Send the messages of queued jobs, in order, through one producer.

    Returns:
        How many the broker has taken, as far as can be known, and the error that ended it
        before the last; None when there was none.
    """
    celery: Celery = current_app._get_current_object()  # noqa: SLF001 - as above
    taken: list[Job] = []
    patience = settings().publish_timeout.total_seconds() + SECONDS_EACH * len(jobs)
    send = partial(bulk.send, celery, jobs, taken, _send)
    try:
        publishing.within(patience, partial(_send_for, celery, _own_backend(celery), send))
    except Exception as error:  # noqa: BLE001 - whatever the transport raises
        for job in jobs[len(taken) :]:
            _forget_result(celery, job.task_id)
        left = jobs[len(taken) :]
        return len(taken), _sorted(error, left[0]) if left else None
    return len(taken), None


def _own_backend(celery: Celery) -> Any:
    backend = celery.backend
    getattr(backend, "oid", None)  # rpc:// remembers the thread that asks first
    return backend


def _send_for(celery: Celery, backend: Any, send: Callable[[], object]) -> None:
    """Send in the publisher's thread, as far as the result backend knows in the caller's.

    Backends belong to threads: the subscription that a publish makes for its result must be
    the caller's, who ends it, and ``rpc://`` results go to a queue of the caller's.
    """
    own = getattr(celery._local, "backend", None)  # noqa: SLF001 - where Celery keeps a thread's backend
    celery._local.backend = backend  # noqa: SLF001
    try:
        send()
    finally:
        celery._local.backend = own  # noqa: SLF001


def _forget_result(app: Celery, task_id: str) -> None:
    """Dropping the ``AsyncResult`` must not wait for a result backend that is away."""
    consumer: Any = getattr(app.backend, "result_consumer", None)
    with suppress(Exception):
        consumer.subscribed_to.discard(app.backend.get_key_for_task(task_id))
        if "cancel_for" not in vars(consumer):
            consumer.cancel_for = partial(_cancel_subscribed, consumer, consumer.cancel_for)


def _cancel_subscribed(consumer: Any, cancel: Callable[[str], object], task_id: str) -> None:
    """Before Celery 5.7 a subscription is ended that never was, and its backend waited for."""
    if consumer.backend.get_key_for_task(task_id) in consumer.subscribed_to:
        cancel(task_id)


#: Seconds more that the broker may take for each message of many.
SECONDS_EACH = 0.01


def publish_on_commit(job: Job, *, app: Celery, options: dict[str, Any], **extra: Any) -> None:
    """Send a job's message once its row is committed; a worker does it if this fails."""
    alias = using()

    def send() -> None:
        _deliver(job, app=app, options=options, **extra)

    if options.get("after_commit", settings().after_commit):
        transaction.on_commit(send, using=alias, robust=True)  # the row is there
    else:
        send()


def _deliver(job: Job, **how: Any) -> None:
    moments.reached("enqueued")
    schedule.send(job, partial(publish, **how), now=timezone.now())


def dispatch(job: Job) -> None:
    """Give a scheduled job that is due now to the broker; a worker does it if this fails."""
    schedule.dispatch(job, publish, now=timezone.now(), expired=results.cancelled)


def send_if_due(job_id: UUID) -> None:
    """Give a job that was just scheduled to the broker, if it is due now.

    What goes wrong is left to the dispatchers of the workers, a second later.
    """
    try:
        with connection.private(), connection.renewed():
            job = Job.objects.due(timezone.now()).filter(pk=job_id).first()
            if job is not None:
                dispatch(job)
    except Exception as error:
        logger.warning("Job is left to a dispatcher job=%s error=%r", job_id, error, exc_info=True)


def send_all_due(job_ids: Sequence[UUID]) -> bool:
    """Give jobs that were just scheduled to the broker, those of them that are due now.

    What goes wrong is left to the dispatchers of the workers, a second later.

    Returns:
        False when something went wrong, so that it is of no use to try with others.
    """
    if len(job_ids) == 1:
        send_if_due(job_ids[0])
        return True
    try:
        with connection.private(), connection.renewed():
            now = timezone.now()
            due = Job.objects.due(now).filter(pk__in=job_ids).order_by("pk")
            return dispatching.dispatch_all(
                due, publish_all, now=now, expired=results.cancelled
            ).all_taken
    except Exception as error:
        count = len(job_ids)
        logger.warning(
            "Jobs are left to a dispatcher count=%s error=%r", count, error, exc_info=True
        )
        return False
