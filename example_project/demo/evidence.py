"""Evidence: what the rows say about the promises, each looked up by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from celery_jobman.models import Attempt, Job, LogLine, Outcome, Trigger
from celery_jobman.states import State
from example_project.demo.watching import steps
from example_project.shop import airports, rules
from example_project.shop.models import Branch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import EmailMessage
    from uuid import UUID

    from celery_jobman.models import Step
    from example_project.demo.promises import Promises


def bad_rows(rows: list[airports.Row]) -> set[int]:
    """Return the indexes of the rows that break a rule, found without a job."""
    inspection = rules.Inspection(rows)
    return {index for index, row in enumerate(rows) if not _passes(inspection, row)}


def _passes(inspection: rules.Inspection, row: airports.Row) -> bool:
    try:
        inspection.judge(row)
    except rules.BadRow:
        return False
    return True


def untouched(promises: Promises, job_id: UUID, before: dict[str, Step]) -> None:
    """Check that some steps were not run again since their rows were read."""
    after = steps(job_id)
    for name, step in before.items():
        promises.equal(f"{name} was not run again", _written(after.get(name)), _written(step))


def resumed(promises: Promises, job_id: UUID, cursor: int) -> None:
    """Check that the second attempt went on where the first was killed.

    Args:
        promises: Where to show it.
        job_id: The import.
        cursor: Packs that were saved when the worker had been killed.
    """
    first = first_pack(job_id, attempt=2)
    fetched = LogLine.objects.filter(job_id=job_id, message__startswith="Fetched ").count()
    promises.equal("the log says so too: the file was fetched once", fetched, 1)
    promises.equal(f"load went on with pack {cursor + 1}, not with pack 1", first, cursor + 1)


def loaded(promises: Promises, job_id: UUID, bad: set[int]) -> None:
    """Check that every good row is a branch, and that every bad one is listed."""
    rows = airports.read(steps(job_id)["fetch"].checkpoint)
    good = {row["icao"] for index, row in enumerate(rows) if index not in bad}
    there = Branch.objects.filter(job_id=job_id).values_list("code", flat=True)
    promises.equal(f"all {len(good):,} good rows are branches, once each", len(there), len(good))
    promises.check("and they are the right ones", set(there) == good)
    listed = {entry["index"] for entry in steps(job_id)["validate"].skipped}
    promises.equal(f"all {len(bad)} bad rows are listed with what is wrong", listed, bad)


def on_record(promises: Promises, job_id: UUID) -> None:
    """Check the history of the job."""
    outcomes = [one.outcome for one in attempts(job_id)]
    expected = [Outcome.LOST, Outcome.FAILED, Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    promises.equal(f"four attempts: {_listed(expected)}", _listed(outcomes), _listed(expected))
    triggers = [one.trigger for one in attempts(job_id)]
    wanted = [Trigger.AUTOMATIC, Trigger.RESCUE, Trigger.OPERATOR, Trigger.OPERATOR]
    promises.equal(f"begun by: {_listed(wanted)}", _listed(triggers), _listed(wanted))
    places = [one.resumed_from for one in attempts(job_id)[1:]]
    promises.equal("from load, then report, then validate", places, ["load", "report", "validate"])
    job = Job.objects.get(pk=job_id)
    promises.equal("the job has succeeded", job.state, State.SUCCEEDED)
    promises.equal("and says how", job.completed_code, "with rejects")


def replayed(promises: Promises, job_id: UUID, before: dict[str, Step]) -> None:
    """Check that the rows that were skipped, and nothing else, were judged again."""
    validate = steps(job_id)["validate"]
    promises.equal("validate ran in attempt 4", validate.attempt, 4)
    same = validate.skipped == before["validate"].skipped
    promises.check("the same rows are listed as before", same, len(validate.skipped))
    others = {name: step for name, step in before.items() if name != "validate"}
    untouched(promises, job_id, others)


def mailed(promises: Promises, mails: list[EmailMessage], subject: str) -> None:
    """Check that the report arrived, once."""
    subjects = [str(mail["Subject"]) for mail in mails]
    promises.equal("one mail has arrived, with the numbers in its subject", subjects, [subject])


def attempts(job_id: UUID) -> list[Attempt]:
    """Return the job's attempts in order."""
    return list(Attempt.objects.filter(job_id=job_id).order_by("number"))


def first_pack(job_id: UUID, attempt: int) -> int | None:
    """Return the number of the first pack an attempt saved, by its log; None if none."""
    lines = LogLine.objects.filter(job_id=job_id, attempt=attempt, message__startswith="Saved ")
    line = lines.order_by("id").first()
    found = re.search(r"pack=(\d+)", line.message) if line else None
    return int(found[1]) if found else None


def _listed(words: Iterable[str]) -> str:
    return ", ".join(str(word) for word in words)


def _written(step: Step | None) -> tuple[object, ...]:
    return (step.attempt, step.started_at, step.finished_at) if step else ()
