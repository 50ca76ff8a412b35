"""A batch that was dispatched: ask it, add to it, cancel it, retry it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery import current_app
from celery.result import AsyncResult, GroupResult
from django.utils import timezone

from celery_jobman.core import batches, resumption
from celery_jobman.models import Batch, Job
from celery_jobman.models.batch import SEQUENCES
from celery_jobman.runtime import connection, messages
from celery_jobman.runtime.running import current_job
from celery_jobman.runtime.workflows import late

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery_jobman.core.resumption import Plan


class LiveBatch:
    """A batch in the database, by its id; every question is answered from its row, read now."""

    def __init__(self, batch_id: UUID) -> None:
        #: The batch's id.
        self.id = batch_id

    def __repr__(self) -> str:
        return f"<LiveBatch {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveBatch) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def row(self) -> Batch:
        """The batch's row.

        Raises:
            BatchNotFound: It was pruned.
        """
        with connection.private():
            return batches.find(self.id)

    @property
    def progress(self) -> int:
        """How many percent of its members have ended, rounded down."""
        return self.row.progress

    def status(self) -> dict[str, Any]:
        """Return what a client may be told; see :attr:`celery_jobman.models.batch.Batch.status`."""
        return self.row.status

    def add(self, members: Iterable[Any]) -> int:
        """Add members to it, normally from inside one of them, which keeps it open.

        Args:
            members: As for :func:`~celery_jobman.runtime.workflows.flows.batch`; read lazily.

        Returns:
            How many there are more; a chain counts for each of its links.

        Raises:
            BatchClosed: It has finished, or is being stopped.
            MembersRefused, MembersUsedUp, NotASignature, EndlessWorkflow, UnknownTask, PlainTask,
            UnencodableValue, DatabaseUnwritable: As for ``dispatch``.

        In each case nothing was written.
        """
        added: int = late.planting().add(self.row, members)
        return added

    def cancel(self, *, actor: Any = None, reason: str = "") -> None:
        """Cancel what waits in it, and ask what runs to stop; asking twice does no harm.

        Raises:
            TransitionRefused: It has finished.  Nothing was written.
        """
        with connection.enqueueing():
            batches.cancel(self.id, now=timezone.now(), actor=actor, reason=reason)

    def retry_failed(self, *, actor: Any = None, reason: str = "") -> Plan:
        """Run the members that failed again; see :func:`celery_jobman.core.resumption.retry`.

        Returns:
            What was done.

        Raises:
            TransitionRefused: No member has failed, or one has moved on.  Nothing was written.
        """
        with connection.enqueueing():
            now = timezone.now()
            return resumption.retry(self.id, now=now, actor=actor, reason=reason)

    @property
    def result(self) -> AsyncResult | GroupResult:
        """What Celery would have returned: the result of the last link, or of all elements."""
        return result_of(self.row)


def find_batch(batch_id: UUID | str) -> LiveBatch:
    """Return a batch by its id.

    Raises:
        BatchNotFound: There is none.
    """
    with connection.private():
        return LiveBatch(batches.find(batch_id).id)


def current_batch() -> LiveBatch | None:
    """Return the batch that the running job is a member or a callback of; None if there is none.

    In a batch inside a batch it is the inner one.
    """
    job = current_job()
    header = messages.header_of(job.request) if job is not None else None
    known = (header or {}).get("batch")
    return LiveBatch(UUID(known)) if known else None


def result_of(batch: Batch) -> AsyncResult | GroupResult:
    """Return Celery's handle on the results of a batch."""
    last = {"next_id": None}
    jobs = Job.objects.members_of(batch.id).filter(**last)
    found: list[tuple[int, Any, Any]] = [
        (position or 0, job_id, current_app.AsyncResult(task_id))
        for position, job_id, task_id in jobs.values_list("position", "id", "task_id")
    ]
    found += [
        (inner.position or 0, inner.id, result_of(inner))
        for inner in Batch.objects.filter(batch_id=batch.id, **last)
    ]
    results = [result for _, _, result in sorted(found, key=lambda entry: entry[:2])]
    if batch.kind in SEQUENCES and results:
        return results[0]
    return GroupResult(str(batch.id), results, app=current_app._get_current_object())  # noqa: SLF001
