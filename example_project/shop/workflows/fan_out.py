"""The import with a job for each row: a batch that its first member fills.

Rows run side by side, on all workers, and each has a page that says what became of it.  For the
whole list :func:`example_project.shop.tasks.import_branches` is much quicker: a job for each of
28,000 rows costs more than the row.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from celery import shared_task

from celery_jobman import JobTask, batch, current_batch
from example_project.shop import airports, loading, report, rules, tallies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery_jobman import LiveBatch
    from example_project.shop.airports import Line

logger = logging.getLogger(__name__)

#: Rows that are added to the batch in one transaction.
CHUNK: Final = 200


def start(source: str = "airports", country: str = "", limit: int | None = None) -> LiveBatch:
    """Begin an import.

    A row that is bad is an outcome, not a failure.  Should a row's job fail all the same, the
    others go on, and the report is mailed in any case.

    Args:
        source: A key of :data:`example_project.shop.airports.SOURCES`.
        country: Two letters; import only its branches.
        limit: Import only so many rows.
    """
    flow = batch(
        [read.s(source, country, limit)],
        name=f"Import of {source} {country}".rstrip(),
        on_failure="continue",
        tags=["shop"],
    )
    return flow.finally_(mail_report.s()).dispatch()


@shared_task(base=JobTask, bind=True)
def read(self: JobTask, source: str, country: str = "", limit: int | None = None) -> int:
    """Read the file, and add a job for each row to the batch that this job belongs to.

    The rows of a chunk are added in the transaction that says so: an attempt that follows a
    crash adds those that are missing, and none twice.
    """
    file = self.step("fetch", airports.fetch, source, self.job.id)
    everything = airports.read(file)
    inspection = rules.Inspection(everything)
    lines = airports.numbered(everything, country)[:limit]
    for at in range(0, len(lines), CHUNK):
        chunk = lines[at : at + CHUNK]
        self.step(f"add {at + 1} to {at + len(chunk)}", _add, chunk, inspection, atomic=True)
        self.progress(at + len(chunk), len(lines), unit="rows")
    return len(lines)


def _add(lines: Sequence[Line], inspection: rules.Inspection) -> None:
    if lot := current_batch():
        lot.add(import_row.s(line.number, line.row, inspection.twin(line.row)) for line in lines)


@shared_task(base=JobTask, bind=True, tags=["shop"])
def import_row(self: JobTask, line: int, row: airports.Row, twin: str = "") -> Any:
    """Import one row; its outcome is ``created``, ``updated`` or ``invalid``.

    Args:
        line: Its number in the file, for people.
        row: The row.
        twin: Code of an earlier row on the same spot.
    """
    try:
        rules.judge(row, twin)
    except rules.BadRow as error:
        logger.warning("Bad row line=%s error=%s", line, error)
        return self.complete({"line": line, "error": str(error)}, code="invalid")
    # Or a second attempt would find the branch that the first created, and call it updated.
    code = self.step("save", loading.save_row, row, job_id=self.job.id, atomic=True)
    return self.complete({"line": line, "branch": row["icao"]}, code=code)


@shared_task(base=JobTask, bind=True)
def mail_report(self: JobTask, batch_id: str) -> dict[str, int]:
    """Mail how many rows had which outcome, and what is wrong with the bad ones."""
    counts = tallies.count(batch_id, import_row)
    invalid = tallies.results(batch_id, import_row, "invalid", limit=report.LISTED)
    report.send_tally(self.job.id, counts, invalid)
    return counts
