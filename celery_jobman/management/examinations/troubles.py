"""Examinations of what was set aside: rows for which something could not be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery_jobman.insight.wording import counted, listed
from celery_jobman.management.examinations import advice, ok, wrong
from celery_jobman.models import Duty, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.management.examinations import Finding
    from celery_jobman.models.trouble import TroubleQuerySet

#: Most rows that one finding names.
NAMED = 5
#: What is said of the rows of each duty.
_WHAT = {
    Duty.END: "whose end the database refuses",
    Duty.BEGIN: "that no worker can begin",
    Duty.RESCUE: "that cannot be taken back from dead workers",
    Duty.DISPATCH: "that cannot be sent",
    Duty.REDELIVER: "that cannot be sent again",
    Duty.CANCEL: "that cannot be stopped",
    Duty.MEMBERS: "whose members cannot be released or cancelled",
    Duty.PRUNE: "that cannot be deleted",
}


def set_aside() -> Iterator[Finding]:
    """Say what is tried again and again, and what was written without a part of it."""
    waiting = Trouble.objects.filter(again_at__isnull=False)
    for duty in Duty:
        rows = waiting.filter(duty=duty)
        count = rows.count()
        if count:
            yield wrong(
                f"{counted(count, 'row is', 'rows are')} set aside {_WHAT[duty]}: {_named(rows)}",
                "mend what the error names; each is tried again after a growing pause",
            )
    if not waiting.exists():
        yield ok("nothing is set aside")


def _named(rows: TroubleQuerySet) -> str:
    named = [f"{each.row_id} ({each.error})" for each in rows.order_by("-tried_at")[:NAMED]]
    return listed(named)


def unwritten() -> Finding:
    """Say of which jobs a part of the end was refused, so that it is missing for good."""
    rows = Trouble.objects.filter(duty=Duty.END, again_at__isnull=True)
    count = rows.count()
    if not count:
        return ok("every end was written in full")
    return advice(
        f"{counted(count, 'end was', 'ends were')} written without a part: {_named(rows)}",
        "the pages of these jobs say what is missing; a retry writes it anew",
    )
