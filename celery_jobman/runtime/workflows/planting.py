"""Planting: a flow becomes rows, in order, as many as there are, one after the other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.utils import timezone

from celery_jobman.core import batches, callbacks, passing
from celery_jobman.core.redaction import preview
from celery_jobman.exceptions import PlainTask, UnknownTask
from celery_jobman.models import Batch, Job
from celery_jobman.models.batch import SEQUENCES
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import connection, limits, messages, propagation, registry
from celery_jobman.runtime.task import COLLECT, JobTask, is_recorded
from celery_jobman.runtime.workflows.elements import readable
from celery_jobman.runtime.workflows.flows import Flow, chain
from celery_jobman.runtime.workflows.live import LiveBatch
from celery_jobman.runtime.workflows.members import links_of
from celery_jobman.runtime.workflows.moulds import Moulds
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from celery.canvas import Signature

    from celery_jobman.core.batches import Row
    from celery_jobman.models import Role

#: What the links after the first that can be called are not given.
LATER: dict[str, Any] = {"args": (), "start": None, "delay": timedelta()}

#: Options that put off the beginning, and are no member's business.
BEGINNING = ("countdown", "eta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Soil:
    """Where members are written: the batch around them, and what it gives them."""

    batch: Batch
    now: datetime
    #: Its first links may begin.
    is_open: bool
    #: Its first links are given the result of something.
    is_fed: bool = False
    #: Arguments of the dispatch, for first links.
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    #: When the first links may begin, if later than now.
    start: datetime | None = None
    #: How long after their release, if they wait for something.
    delay: timedelta = timedelta()
    moulds: Moulds = field(default_factory=Moulds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in its element a link stands."""

    id: UUID
    position: int
    before: UUID | None
    after: UUID | None


def dispatch(flow: Flow, args: tuple[Any, ...]) -> LiveBatch:
    """Write a flow; see :meth:`celery_jobman.runtime.workflows.flows.Flow.dispatch`."""
    now = timezone.now()
    root = _root(flow, now)
    start = messages.due(dict(flow.options), now)
    soil = Soil(
        batch=root,
        now=now,
        is_open=True,
        args=args,
        options=_of_members(flow, {}),
        start=start,
    )
    root.options = _kept(soil.options)
    with connection.enqueueing():
        batches.enqueue(root, plant(flow.elements, soil), now=now)
    return LiveBatch(root.id)


def add(batch: Batch, members: Iterable[Any]) -> int:
    """Write further members of a batch; return how many.

    The errors are those of :func:`dispatch` and of :func:`celery_jobman.core.batches.add`.
    """
    now = timezone.now()
    is_open = batch.state != State.BLOCKED
    soil = Soil(
        batch=batch,
        now=now,
        is_open=is_open,
        is_fed=not is_open and passing.is_fed(batch),
        options=_inherited(batch),
    )
    with connection.enqueueing():
        return batches.add(batch.id, plant(readable(members), soil, batch.total), now=now)


def stand_in(row: Job, given: Any, *, has_callbacks: bool) -> list[Row]:
    """Return the rows of what takes the place of a member, it the last of them.

    Args:
        row: The member, as it is in the database.
        given: What takes its place.
        has_callbacks: Its callbacks are to be given one result.  If what takes its place ends
            with a group, a job that returns the list of the results is added.

    Returns:
        Empty if there is nothing in it.  The errors are those of :func:`dispatch`.
    """
    assert row.batch_id is not None  # noqa: S101 - a member
    batch = Batch.objects.get(pk=row.batch_id)
    soil = Soil(batch=batch, now=timezone.now(), is_open=False, options=json.loads(batch.options))
    links = list(links_of(given))
    if not links:
        return []
    if has_callbacks and not _ends_with_one(links):
        collect = current_app.tasks[COLLECT].s()
        links.append(collect.set(queue=row.queue, priority=row.priority))
    link = links[0] if len(links) == 1 else chain(links)
    place = Place(id=uuid7(), position=row.position or 0, before=row.id, after=row.next_id)
    is_nested = isinstance(link, Flow)
    rows: list[Row] = [*_nested(link, place, soil)] if is_nested else [_job(link, place, soil)]
    rows[-1].allow_failure |= row.allow_failure
    return rows


def _ends_with_one(links: list[Signature | Flow]) -> bool:
    """Whether the result of links is that of one job."""
    last = links[-1] if links else None
    if not isinstance(last, Flow):
        return last is not None
    inside = (
        [link for each in last.elements for link in links_of(each)]
        if last.kind in SEQUENCES
        else []
    )
    return _ends_with_one(inside)


def plant(elements: Iterable[Any], soil: Soil, start: int = 0) -> Iterator[Row]:
    """Yield the rows of elements, a batch always after its members."""
    for position, element in enumerate(elements, start):
        yield from _sequence(list(links_of(element)), position, soil)


def _sequence(links: list[Any], position: int, soil: Soil) -> Iterator[Row]:
    ids = [uuid7() for _ in links]
    around = [None, *ids, None]
    first = next((index for index, link in enumerate(links) if not _hands_on(link)), len(links))
    for index, link in enumerate(links):
        place = Place(
            id=ids[index], position=position, before=around[index], after=around[index + 2]
        )
        here = soil if index <= first else replace(soil, is_fed=True, **LATER)
        here = replace(here, is_open=soil.is_open and index == 0)
        if isinstance(link, Flow):
            yield from _nested(link, place, here)
        else:
            yield _job(link, place, here)


def _hands_on(link: Signature | Flow) -> bool:
    """Whether nothing in a link can be called, so that what follows is given what it is given."""
    if not isinstance(link, Flow) or link.kind not in SEQUENCES:
        return False
    return all(_hands_on(inner) for links in link.elements for inner in links_of(links))


def _nested(flow: Flow, place: Place, soil: Soil) -> Iterator[Row]:
    batch = Batch(id=place.id, root_id=soil.batch.root_id, batch_id=soil.batch.id)
    batch.position, batch.follows_id, batch.next_id = place.position, place.before, place.after
    batch.allow_failure = flow.allow_failure
    _describe(batch, flow, soil.now, soil.options)
    batch.owner_id = batch.owner_id or soil.batch.owner_id
    batch.state = State.RUNNING if soil.is_open else State.BLOCKED
    batch.started_at = soil.now if soil.is_open else None
    options = _of_members(flow, soil.options)
    batch.options = _kept(options)
    inside = replace(soil, batch=batch, options=options, **_beginning(flow, soil))
    for row in plant(flow.elements, inside):
        batch.total += row.batch_id == batch.id
        yield row
    batch.pending = batch.total
    batch.opening = soil.is_open and not batch.total  # somebody must close it
    yield batch


def _beginning(flow: Flow, soil: Soil) -> dict[str, Any]:
    """Return what a nested flow's own ``countdown`` or ``eta`` does to its first links."""
    countdown, eta = (flow.options.get(name) for name in BEGINNING)
    if soil.is_open:
        begins = soil.start or soil.now
        return {"start": messages.due(dict(flow.options), begins) or soil.start}
    if countdown or eta is None:
        return {"delay": soil.delay + limits.duration("countdown", countdown or 0)}
    moments = [soil.start, messages.due({"eta": eta}, soil.now)]
    return {"start": max((moment for moment in moments if moment), default=None)}


def _root(flow: Flow, now: datetime) -> Batch:
    batch = Batch(state=State.RUNNING)
    batch.root_id = batch.id
    _describe(batch, flow, now, {})
    return batch


def _describe(batch: Batch, flow: Flow, now: datetime, outer: Mapping[str, Any]) -> None:
    batch.kind, batch.name, batch.tags = flow.kind, flow.name, list(flow.tags)
    batch.owner_id = getattr(flow.owner, "pk", flow.owner)
    batch.allow_failures, batch.on_failure = flow.allow_failures, flow.on_failure
    options = _of_members(flow, outer)
    templates = {
        str(role): [callbacks.template(_callback(each, options, role)) for each in signatures]
        for role, signatures in flow.callbacks.items()
    }
    batch.callbacks = json.dumps(templates, default=str)
    batch.told_at = now if templates.get("progress") else None


def _of_members(flow: Flow, outer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a flow's members: its own, and those of what it is in."""
    own = {name: value for name, value in flow.options.items() if name not in BEGINNING}
    tags = [*outer.get("tags", ()), *flow.tags]
    owner = getattr(flow.owner, "pk", flow.owner) or outer.get("owner")
    return {
        **outer,
        **own,
        **({"tags": tags} if tags else {}),
        **({"owner": owner} if owner else {}),
    }


def _inherited(batch: Batch) -> dict[str, Any]:
    """Return the options of members that are added; the owner may have been deleted since."""
    options: dict[str, Any] = json.loads(batch.options)
    options.pop("owner", None)
    return {**options, **({"owner": batch.owner_id} if batch.owner_id else {})}


def _kept(options: Mapping[str, Any]) -> str:
    queue = options.get("queue")
    named = {"queue": getattr(queue, "name", queue)} if queue is not None else {}
    return json.dumps({**options, **named}, default=str)


def _callback(signature: Signature, outer: Mapping[str, Any], role: Role) -> Job:
    """Return an unsaved job of which a template is made."""
    told = 0 if signature.immutable else callbacks.TOLD[role]
    args, kwargs = (*[None] * told, *(signature.args or ())), dict(signature.kwargs or {})
    options = {**outer, **(signature.options or {})}
    timing = _relative(options)
    task = _task(signature, options)
    job = Moulds().job(task, args, kwargs, options)
    job.delay, job.expires_after = timing
    job.takes_result = not signature.immutable
    propagation.stamp(task, job)
    job.args = _without_first(job.args, told)
    return job


def _relative(options: dict[str, Any]) -> tuple[timedelta | None, timedelta | None]:
    """Take out of options what counts from the release of a job: its delay, and its expiry."""
    limits.check(options)
    delay = limits.duration("countdown", options.pop("countdown", None) or 0)
    if not isinstance(options.get("expires"), int | float):
        return delay or None, None
    return delay or None, limits.duration("expires", options.pop("expires"))


def _job(signature: Signature, place: Place, soil: Soil) -> Job:
    options = {**soil.options, **(signature.options or {})}
    limits.check_place(options, limits.NOT_OF_MEMBERS)
    allow_failure = bool(options.pop("allow_failure", False))
    fed = soil.is_fed and not signature.immutable
    given = () if signature.immutable else soil.args
    args = (*((None,) if fed else ()), *given, *(signature.args or ()))
    delay, expires_after = (None, None) if soil.is_open else _relative(options)
    own_id = options.get("task_id")
    task = _task(signature, options)
    job = soil.moulds.job(task, args, dict(signature.kwargs or {}), options)
    job.id, job.task_id = place.id, own_id or str(place.id)
    job.root_id, job.batch_id = str(soil.batch.root_id), soil.batch.id
    job.position, job.follows_id, job.next_id = place.position, place.before, place.after
    job.allow_failure, job.takes_result = allow_failure, fed
    job.delay, job.expires_after = delay, expires_after
    _begin(job, soil)
    propagation.stamp(task, job)
    if fed:
        job.args = _without_first(job.args)
        job.preview = preview(*job.arguments)
    return job


def _begin(job: Job, soil: Soil) -> None:
    moments = [moment for moment in (job.available_at, soil.start) if moment]
    if soil.is_open:
        job.state, job.available_at = State.SCHEDULED, max(moments, default=soil.now)
        return
    job.state, job.available_at = State.BLOCKED, max(moments, default=None)
    job.delay = (job.delay or timedelta()) + soil.delay or None


def _without_first(args: str, number: int = 1) -> str:
    """Return arguments without those that stood for what is not known yet."""
    return json.dumps(json.loads(args)[number:])


def _task(signature: Signature, options: Mapping[str, Any]) -> JobTask:
    name = signature.task
    task = (signature.app or current_app).tasks.get(name) or registry.find(name)
    if task is None:
        raise UnknownTask(name)
    recorded = is_recorded(task, signature.kwargs) and options.get("track", True)
    if not isinstance(task, JobTask) or not recorded:
        raise PlainTask(name)
    return task
