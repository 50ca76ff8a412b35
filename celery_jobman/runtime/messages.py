"""Messages: between Celery's publish options and the columns of a job's row."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone
from kombu.utils import json

from celery_jobman.conf import settings
from celery_jobman.core import behind
from celery_jobman.core.joins import Member
from celery_jobman.core.redaction import preview
from celery_jobman.core.terms import EARLIEST, LATEST
from celery_jobman.exceptions import UnencodableValue
from celery_jobman.models import Job
from celery_jobman.models.attempt import REDELIVERED
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import limits, queues
from celery_jobman.runtime.task import EAGER_HEADER, MAPS, called
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery import Task
    from celery.app.task import Context

logger = logging.getLogger("celery_jobman")

#: Name of our message header.
HEADER = "jobman"

#: Publish options that have a column of their own, or make sense only for one publish.
NOT_STORED = frozenset({
    "task_id", "countdown", "eta", "expires", "queue", "priority", "retries", "producer",
    "publisher", "connection", "add_to_parent", "router", "result_cls", "task_type", "shadow",
    "root_id", "owner", "tags", "attribs", "after_commit", "track", "route_name",
})  # fmt: skip

#: Items of a map in its preview, at most; it is cut anyway.
SHOWN = 20


def encode(value: Any, what: str) -> str:
    """Return ``value`` as JSON text that keeps Celery's types (dates, decimals, UUIDs …).

    Raises:
        UnencodableValue: It cannot be written; ``what`` names it in the message.
    """
    try:
        return json.dumps(value)  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise UnencodableValue(what, value, error) from error


def decode(text: str) -> Any:
    """Return what :func:`encode` wrote."""
    return json.loads(text)


def encode_arguments(args: Any, kwargs: Any) -> tuple[str, str]:
    """Return arguments as JSON text.

    Raises:
        UnencodableValue: The message names the first argument that cannot be written.
    """
    positional, named = list(args or ()), dict(kwargs or {})
    try:
        return json.dumps(positional), json.dumps(named)
    except (TypeError, ValueError):
        for position, item in enumerate(positional):
            encode(item, f"argument {position + 1}")
        for name, item in named.items():
            encode(item, f"argument {name!r}")
        raise


def compose(
    task: Task, args: Any, kwargs: Any, task_id: str | None, options: dict[str, Any]
) -> Job:
    """Return an unsaved job for a call of ``task.apply_async`` with these options.

    Raises:
        OptionRefused: One of them cannot be kept.
        UnencodableValue: An argument or option is not JSON.
    """
    limits.check({**options, "task_id": task_id})
    return _composed(task, args, kwargs, task_id, options)


def _composed(
    task: Task, args: Any, kwargs: Any, task_id: str | None, options: dict[str, Any]
) -> Job:
    now = timezone.now()
    job_id = uuid7()
    job = Job(id=job_id, task_id=task_id or str(job_id), task=task.name)
    if task.name in MAPS:
        kwargs = _of_map(task, kwargs, options)
    job.args, job.kwargs = encode_arguments(args, kwargs)
    job.preview = _preview(job)
    job.queue = _queue(task, args, kwargs, options)
    job.available_at = due(options, now)
    job.state = State.SCHEDULED if job.available_at else State.QUEUED
    job.expires_at = _moment(options.get("expires"), now)
    job.priority = options.get("priority")
    job.retries = options.get("retries") or 0
    job.root_id = options.get("root_id") or job.task_id
    job.group_id = options.get("group_id") or ""
    job.position = options.get("group_index")
    job.label = options.get("shadow") or ""
    options.setdefault("reply_to", task.app.thread_oid)  # where rpc:// results go
    job.message = encode_options(options)
    _describe(job, task, options)
    return job


def _of_map(task: Task, kwargs: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Give a map the name and the queue of the task that it calls; return its arguments."""
    name = kwargs["task"]["task"]
    options["shadow"] = options.get("shadow") or f"{name}.{task.name.removeprefix('celery.')}"
    options["route_name"] = options.get("route_name") or name
    options["tags"] = options.get("tags") or getattr(called(task, kwargs), "tags", ())
    return {**kwargs, "it": list(kwargs["it"])}  # Celery gives a lazy one, which no JSON shows


def _describe(job: Job, task: Task, options: dict[str, Any]) -> None:
    job.max_attempts = getattr(task, "max_attempts", None)
    job.declared_steps = list(getattr(task, "steps", ()))
    tags: Any = options.get("tags") or getattr(task, "tags", ())
    job.tags = list(tags)
    job.attribs = dict(options.get("attribs") or {})
    owner = options.get("owner")
    job.owner_id = getattr(owner, "pk", owner)
    job.code_version = settings().code_version


def from_request(task: Task, request: Context) -> Job:
    """Return an unsaved job for a message that somebody else published."""
    options = request.as_execution_options()
    options |= (request.headers or {}).get(EAGER_HEADER) or {}
    options["headers"] = foreign_headers(request)
    delivery = request.delivery_info or {}
    options["priority"] = delivery.get("priority")
    options |= queues.route_of(delivery)
    options |= limits.tamed(options)
    following = next(behind.rows_after(options), None)
    job = _composed(task, request.args, request.kwargs, request.id, options)
    job.next_id = UUID(following) if following else None
    return job


def changed_by_retry(task: Task, args: Any, kwargs: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that a call of ``self.retry`` with these options changes.

    Raises:
        OptionRefused: One of those that may be given to it cannot be kept.
    """
    limits.check({name: options.get(name) for name in ("countdown", "eta", "priority", "queue")})
    columns: dict[str, Any] = {"retries": options["retries"]}
    columns["args"], columns["kwargs"] = encode_arguments(args, kwargs)
    columns["queue"] = _queue(task, args, kwargs, options)
    columns["message"] = encode_options(options)
    columns["priority"] = options.get("priority")
    columns["available_at"] = due(options, timezone.now())
    return columns


def encode_options(options: dict[str, Any]) -> str:
    """Return the publish options that are kept with a job, as JSON text.

    Raises:
        UnencodableValue: One of them cannot be written.
    """
    return encode(_stored(options), "a message option")


def with_headers(message: str, headers: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return message options with other headers, as JSON text, and the headers that are kept.

    One that cannot be written is left out: it is somebody's who watches, not the caller's.
    """
    options = decode(message)
    kept = {name: value for name, value in headers.items() if _can_be_kept(name, value)}
    options.pop("headers", None)
    return encode({**options, **({"headers": kept} if kept else {})}, "a message option"), kept


def _can_be_kept(name: str, value: Any) -> bool:
    try:
        encode(value, f"the header {name!r}")
    except UnencodableValue as error:
        logger.warning("Header is not kept name=%s error=%s", name, error)
        return False
    return True


def foreign_headers(request: Context) -> dict[str, Any]:
    """Return the headers that a message came with, without Celery's and ours.

    Celery gives ``request.headers`` all of them, unless one is called ``headers`` itself, as
    Sentry does; then it is that one, and the others are attributes of the request.
    """
    own = dict(request.headers or {})
    if HEADER not in own:
        others: dict[str, Any] = request._get_custom_headers(vars(request)) or {}  # noqa: SLF001 - nothing else tells
        own = {k: v for k, v in others.items() if isinstance(v, _TRAVELS)} | own
    return {name: value for name, value in own.items() if name not in {HEADER, EAGER_HEADER}}


#: What a header may be; other attributes of a request were set by who runs it.
_TRAVELS = (str, int, float, bool, dict, list)


def _preview(job: Job) -> str:
    args, kwargs = job.arguments
    return preview(kwargs["it"][:SHOWN], {}) if job.task in MAPS else preview(args, kwargs)


def _stored(options: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in options.items() if v is not None and k not in NOT_STORED}
    given = kept.pop("headers", None) or {}
    headers = {k: v for k, v in given.items() if k not in {HEADER, EAGER_HEADER}}
    return {**kept, **({"headers": headers} if headers else {})}


def _queue(task: Task, args: Any, kwargs: Any, options: dict[str, Any]) -> str:
    """Return the queue that a call goes to; note the exchange among its options, if one is told."""
    name = options.get("route_name") or task.name
    routed = task.app.amqp.router.route(dict(options), name, args, kwargs, task)
    if routed.get("queue") is None:
        options |= {each: routed[each] for each in queues.BY_EXCHANGE if each in routed}
    return queues.destination(routed, task.app)


def due(options: dict[str, Any], now: datetime) -> datetime | None:
    """Return when a call with these options asks to begin; None for now.

    As in Celery a ``countdown`` wins over an ``eta``.
    """
    eta = _moment(options.get("eta"), now)
    if options.get("countdown"):
        eta = now + limits.duration("countdown", options["countdown"])
    return eta if eta and eta > now else None


def _moment(value: Any, now: datetime) -> datetime | None:
    """Return an aware datetime for what Celery takes as one: a datetime, ISO text or seconds."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return now + timedelta(seconds=value)
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    aware = moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)  # as in Celery
    return min(max(aware, EARLIEST), LATEST)


def publish_options(job: Job, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the options for ``app.send_task`` that send a job's message.

    Args:
        job: The job, queued.
        options: The caller's own options, when the job was written in this very call; read
            from the row otherwise.
    """
    wanted = dict(decode(job.message)) if options is None else _stored(options)
    wanted["headers"] = {**wanted.get("headers", {}), HEADER: header(job)}
    if not (wanted.get("exchange") and wanted.get("routing_key")):
        wanted["queue"] = job.queue
    wanted |= {"task_id": job.task_id, "root_id": job.root_id, "retries": job.retries}
    if job.priority is not None:
        wanted["priority"] = job.priority
    if job.expires_at is not None:
        wanted["expires"] = job.expires_at
    if job.label:
        wanted["shadow"] = job.label
    return wanted


def header(job: Job) -> dict[str, Any]:
    """Return our header: which job, which delivery, which attempt the message is for."""
    return {
        "v": 1,
        "job": str(job.id),
        "delivery": job.delivery,
        "attempt": job.attempt + 1,
        "trigger": job.trigger,
        "redelivered": job.trigger in REDELIVERED,
        # The delay was held in the database; ``request.eta`` still tells of it.
        **({"eta": job.available_at.isoformat()} if job.available_at else {}),
        **_place(job),
    }


def _place(job: Job) -> dict[str, Any]:
    """Return where in a workflow a job stands, so that nobody has to ask when it ends."""
    place: dict[str, Any] = {}
    if job.batch_id is not None:
        place |= {"batch": str(job.batch_id), "role": job.role}
    if job.next_id is not None:
        place["next"] = str(job.next_id)
    if job.allow_failure:
        place["allow_failure"] = True
    return place


def member_of(header: dict[str, Any], task: str) -> Member | None:
    """Return the job of a message as a member of a workflow; None when it is none."""
    batch, link = header.get("batch"), header.get("next")
    if header.get("role") or not (batch or link):
        return None
    return Member(
        id=UUID(header["job"]),
        task=task,
        batch_id=UUID(batch) if batch else None,
        next_id=UUID(link) if link else None,
        allow_failure=header.get("allow_failure", False),
    )


def header_of(request: Any) -> dict[str, Any] | None:
    """Return our header of a message that was received, if it has one."""
    found = getattr(request, HEADER, None) or (request.headers or {}).get(HEADER)
    return found if isinstance(found, dict) and "job" in found else None
