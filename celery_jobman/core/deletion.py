"""Deletion: what is put in order before Django deletes the row of a job or of a batch.

jobman's own verbs delete only what has ended.  A project may delete any row: by ``delete()`` of
an object or of a queryset, or by a cascade.  What has not ended is cancelled first, in the
transaction of the delete, so that nothing waits for a row that is gone: batches count it, links
after it are skipped, callbacks are written.  Statements that Django does not send one for each
row (``_raw_delete``, SQL, the database's own cascades) do not come by here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models.signals import pre_delete
from django.utils import timezone

from celery_jobman.core import batches, cancellation, errands, hints
from celery_jobman.models import Attempt, Batch, Job, LogLine
from celery_jobman.models.database import atomic, route
from celery_jobman.models.database import using as alias
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

#: Looks at a job that others are moving, before it is deleted as it is.
TRIES = 5

_PLACE = ("state", "batch_id", "next_id", "follows_id")


def connect() -> None:
    """Be told of deletes; calling it again changes nothing."""
    pre_delete.connect(before_job, sender=Job, dispatch_uid="jobman")
    pre_delete.connect(before_batch, sender=Batch, dispatch_uid="jobman")


def before_job(instance: Job, using: str, **_: Any) -> None:
    """Cancel a job that has not ended; take it out of its chain, and its lines out of the log."""
    with route(using), atomic(savepoint=False):
        row = Job.objects.filter(pk=instance.pk).only(*_PLACE).first()
        if row is None:
            return
        place = _take_out(row)
        if not row.is_final:
            _end_job(row.pk)
        _close_gap(row, place)
        LogLine.objects.filter(job_id=row.pk).delete()


def _end_job(job_id: UUID) -> None:
    for _ in range(TRIES):
        job = Job.objects.filter(pk=job_id).first()
        if job is None or job.is_final:
            return
        if job.state == State.RUNNING:
            ended = _end_attempt(job)
        else:
            ended = cancellation.stop_waiting(job_id, now=timezone.now())
        if ended:
            hints.gone(job)
            return


def _end_attempt(job: Job) -> bool:
    """Take a running job from its process, which stops when it notices."""
    if not cancellation.stop_by_force(job, now=timezone.now()):
        return False
    # Django may have looked for the attempts already.
    Attempt.objects.filter(job_id=job.pk, number=job.attempt)._raw_delete(alias())  # noqa: SLF001
    return True


def before_batch(instance: Batch, using: str, **_: Any) -> None:
    """Cancel what has not ended in a batch, at any depth, and with that the batch."""
    with route(using), atomic(savepoint=False):
        row = Batch.objects.filter(pk=instance.pk).only(*_PLACE).first()
        if row is None:
            return
        place = _take_out(row)
        if not row.is_final:
            _end_batch(row.pk)
        _close_gap(row, place)


def _end_batch(batch_id: UUID) -> None:
    batches.mark_cancelled(batch_id, now=timezone.now())
    for each in _outside_in(batch_id):
        while errands.go_on(each, now=timezone.now()):
            pass
        for job_id in _running_in(each):
            _end_job(job_id)
    while errands.go_on(batch_id, now=timezone.now()):  # rows of members may be gone
        pass


def _outside_in(batch_id: UUID) -> Iterator[UUID]:
    """Yield a batch, and then the unfinished ones in it, as they are found."""
    found = [batch_id]
    for each in found:
        yield each
        found += Batch.objects.unfinished().filter(batch_id=each).values_list("pk", flat=True)


def _running_in(batch_id: UUID) -> list[UUID]:
    running = Job.objects.members_of(batch_id).filter(state=State.RUNNING)
    return list(running.values_list("pk", flat=True))


def _take_out(row: Job | Batch) -> bool:
    """Let the link before one be followed by the one after it; return whether that was done.

    What succeeded leaves its chain as it is: what follows has begun, and keeps its arguments.
    A link that has not ended is not touched: its message says what follows it.
    """
    if row.state == State.SUCCEEDED or row.batch_id is None:
        return False
    if row.follows_id is None:
        return True
    before = {"pk": row.follows_id, "next_id": row.pk, "finished_at__isnull": False}
    found = [model.objects.filter(**before).update(next_id=row.next_id) for model in (Job, Batch)]
    return any(found)


def _close_gap(row: Job | Batch, is_out: bool) -> None:  # noqa: FBT001 - private
    """Do the same for the link after it, which was written first."""
    if not is_out or row.next_id is None:
        return
    for model in (Job, Batch):
        after = model.objects.filter(pk=row.next_id, follows_id=row.pk)
        after.update(follows_id=row.follows_id)
