"""The reports that imports mail when they are through."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypedDict

from django.conf import settings
from django.core.mail import EmailMessage

from example_project.shop import post
from example_project.shop.models import Branch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

logger = logging.getLogger(__name__)

#: Rejected rows that the mail lists.
LISTED: Final = 20


class Sent(TypedDict):
    """What the step ``report`` returns."""

    subject: str
    branches: int
    rejected: int


def send(job_id: UUID, rejected: Sequence[dict[str, Any]]) -> Sent:
    """Mail the report.

    At least once: a worker killed after the mail went out and before the step was noted sends
    it again.  The Message-ID is therefore the job's, and mail programs show one mail.

    Args:
        job_id: The import.
        rejected: What the step ``validate`` skipped: ``{"index", "item", "error"}`` each.

    Raises:
        OSError: The mail server cannot be reached, or refuses (:class:`smtplib.SMTPException`).
    """
    branches = Branch.objects.filter(job_id=job_id).count()
    subject = f"{branches:,} branches imported, {len(rejected):,} rows rejected"
    EmailMessage(
        subject=subject,
        body="\n".join(_lines(job_id, branches, rejected)),
        to=getattr(settings, "SHOP_REPORT_TO", [settings.SERVER_EMAIL]),
        headers={"Message-ID": f"<{job_id}@shop.example.org>"},
    ).send()
    logger.info("Report mailed subject=%r", subject)
    return {"subject": subject, "branches": branches, "rejected": len(rejected)}


def send_tally(
    job_id: UUID, counts: Mapping[str, int], invalid: Sequence[Mapping[str, Any]]
) -> None:
    """Mail the report of an import with a job for each row.

    Args:
        job_id: The job that reports.
        counts: How many rows had which outcome.
        invalid: The first of the bad ones: ``{"line", "error"}`` each.

    Raises:
        OSError: As :func:`send`.
    """
    outcomes = ", ".join(f"{counts[name]:,} {name}" for name in sorted(counts))
    subject = f"{sum(counts.values()):,} rows: {outcomes}" if counts else "No rows"
    lines = [f"{name + ':':<11}{number:>7,}" for name, number in sorted(counts.items())]
    faults = [f"  line {entry['line']}: {entry['error']}" for entry in invalid]
    tell(subject, [*lines, "", *faults], key=job_id)


def tell(subject: str, lines: Iterable[str], *, key: object) -> None:
    """Mail something to the people of the shop.

    Raises:
        OSError: The mail server cannot be reached, or refuses.
    """
    to = getattr(settings, "SHOP_REPORT_TO", [settings.SERVER_EMAIL])
    post.send(subject, lines, to=to, key=key)
    logger.info("Report mailed subject=%r", subject)


def _lines(job_id: UUID, branches: int, rejected: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"Import {job_id} is through."
    yield ""
    yield f"Branches imported: {branches:,}"
    yield f"Rows rejected:     {len(rejected):,}"
    yield ""
    for entry in rejected[:LISTED]:
        # The header is the file's first line, and the index counts from 0.
        yield f"  line {entry['index'] + 2}: {entry['error']}"
    if len(rejected) > LISTED:
        yield f"  and {len(rejected) - LISTED:,} more, listed on the page of the job"
