"""Examinations of the workflows: whether somebody sees to the batches that need it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q

from celery_jobman.insight.wording import counted, listed
from celery_jobman.management.examinations import ok, wrong
from celery_jobman.models import Batch, Job, Stopping
from celery_jobman.states import WAITING

if TYPE_CHECKING:
    from datetime import datetime

    from celery_jobman.insight.workforce import Workforce
    from celery_jobman.management.examinations import Finding

#: A batch that was marked so long ago, and still has members to see to, has been forgotten.
OVERDUE = timedelta(seconds=30)
#: Most batches that the finding names.
NAMED = 5


def errands(force: Workforce, now: datetime) -> Finding:
    """Say whether batches have members that should be released, or cancelled, and are not."""
    waiting = Job.objects.members_of(OuterRef("id")).filter(state__in=sorted(WAITING))
    opening = Q(opening=True, started_at__lt=now - OVERDUE)
    stopping = Q(stopping=Stopping.CANCELLED, cancel_requested_at__lt=now - OVERDUE)
    held = Batch.objects.unfinished().filter(opening | stopping).filter(Exists(waiting))
    count = held.count()
    if not count:
        return ok("no batch has members that should have been released or cancelled")
    names = listed(str(batch_id) for batch_id in held.values_list("pk", flat=True)[:NAMED])
    cause = "the workers do not do it" if force.workers else "no worker is alive to do it"
    has = counted(count, "batch has", "batches have")
    return wrong(
        f"{has} members that should have been released or cancelled: {names}; {cause}",
        "start a worker; if there are some, read their own logs",
    )
