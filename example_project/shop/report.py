"""The report that an import mails when it is through."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypedDict

from django.conf import settings
from django.core.mail import EmailMessage

from example_project.shop.models import Branch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
