"""Replacing: what ``self.replace`` and ``self.add_to_chord`` mean in a durable workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from celery.canvas import Signature
from celery.exceptions import Ignore, ImproperlyConfigured
from celery.utils.functional import maybe_list

from celery_jobman.core.standins import StandIn
from celery_jobman.models import Batch, Job
from celery_jobman.models.batch import SEQUENCES
from celery_jobman.runtime import connection, messages
from celery_jobman.runtime.workflows import planting
from celery_jobman.runtime.workflows.flows import Flow
from celery_jobman.runtime.workflows.live import LiveBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery_jobman.core.batches import Row
    from celery_jobman.runtime.running import RunningJob


def replace(job: RunningJob, given: Any) -> NoReturn:
    """Note what takes the place of a job; it is written by the transaction that ends the job.

    The errors are those of :meth:`celery_jobman.runtime.task.JobTask.replace`.
    """
    if isinstance(given, Signature) and "chord" in given.options:
        msg = "A signature replacing a task must not be part of a chord"
        raise ImproperlyConfigured(msg)
    with connection.private():
        replaced = Job.objects.get(pk=job.id)
        rows = planting.stand_in(replaced, given, has_callbacks=bool(job.request.callbacks))
    if not rows:
        msg = "Cannot replace with an empty chain"
        raise ImproperlyConfigured(msg)
    for row in rows:
        if isinstance(row, Job):
            row.parent_id = job.id
    _take_over(job, rows)
    job.stand_in = StandIn(link_id=rows[-1].id, rows=rows)
    raise Ignore("replaced")


def _take_over(job: RunningJob, rows: Sequence[Row]) -> None:
    """Give the stand-in the task's id, by which its result is asked for, and its callbacks."""
    errbacks = maybe_list(job.request.errbacks) or []
    for row in rows if errbacks else ():
        if isinstance(row, Job):
            _link(row, "link_error", errbacks)
    last, callbacks = _last(rows), maybe_list(job.request.callbacks) or []
    if last is not None:
        last.task_id = job.task_id
        _link(last, "link", callbacks)


def _last(rows: Sequence[Row]) -> Job | None:
    """Return the job whose result is that of the whole; None if there is no single one."""
    link: Row | None = rows[-1]
    while isinstance(link, Batch):
        if link.kind not in SEQUENCES:
            return None
        inside = (row for row in rows if row.batch_id == link.id)
        link = next((row for row in inside if row.next_id is None), None)
    return link


def _link(row: Job, name: str, more: Sequence[Any]) -> None:
    options = messages.decode(row.message)
    known = maybe_list(options.get(name)) or []
    added = [each for each in more if each not in known]
    if added:
        row.message = messages.encode_options({**options, name: [*known, *added]})


def add_to_group(job: RunningJob, given: Any, *, lazy: bool) -> Any:
    """Add a signature to the group or batch that a job is a member of.

    Returns:
        Its ``AsyncResult``.

    Raises:
        ValueError: The job is a link of a chain, or ``lazy`` is asked for.  Nothing was written.
    """
    assert job.run.member is not None  # noqa: S101 - as the caller has asked
    batch = LiveBatch(job.run.member.batch_id)  # type: ignore[arg-type]
    if lazy:
        msg = "a member of a durable workflow begins at once; call add_to_chord without lazy"
        raise ValueError(msg)
    if batch.row.kind in SEQUENCES:
        msg = (
            f"the task is a link of the chain {batch.id}, and a member of no group; return a"
            " value, or use self.replace(group(...))"
        )
        raise ValueError(msg)
    if isinstance(given, Flow):
        batch.add([given])
        return None
    signature = given.clone()
    result = signature.freeze()
    batch.add([signature])
    return result
