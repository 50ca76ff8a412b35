"""The shop's jobs."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from celery import shared_task

from celery_jobman import JobTask
from example_project.shop import airports, loading, packs, report, rules

if TYPE_CHECKING:
    from collections.abc import Callable


@shared_task(
    base=JobTask,
    bind=True,
    steps=("fetch", "validate", "load", "report"),
    effects={"report": "sends the report by mail"},
    tags=["shop"],
)
def import_branches(self: JobTask, source: str = "airports", limit: int | None = None) -> Any:
    """Import the shop's branches from a public list.

    An attempt that follows a crash, a deploy or a failure goes on where the one before
    stopped: finished steps are not run again, and ``load`` goes on from its cursor.

    No ``max_attempts`` is given.  So an exception ends the job, and a person decides; an
    attempt that is lost with its worker is made up for at once, whatever the number.

    Args:
        source: A key of :data:`example_project.shop.airports.SOURCES`.
        limit: Import only so many rows.
    """
    file = self.step("fetch", airports.fetch, source, self.job.id)
    rows = airports.read(file, limit)

    # Rows that raise are recorded with their error, and can be replayed.
    inspection = rules.Inspection(rows)
    checked = self.iterate("validate", rows, each=inspection.judge, on_error="skip")

    # The cursor is saved after every pack.
    all_packs = packs.cut(rows, {entry["index"] for entry in checked.skipped})
    save: Callable[[packs.Pack], None] = partial(loading.save, job_id=self.job.id)
    self.iterate("load", all_packs, each=save, every=1)

    sent = self.step("report", report.send, self.job.id, checked.skipped)
    return self.complete(sent, code="with rejects" if sent["rejected"] else "complete")
