"""Membership: the place of a job in a workflow, on the job's own page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.batch.links import Link, neighbours
from celery_jobman.admin.batch.sight import Batches, Jobs
from celery_jobman.admin.page.regions import Region
from celery_jobman.admin.routes import address
from celery_jobman.insight.wording import number
from celery_jobman.models.job import Role
from celery_jobman.states import FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Batch, Job

#: Members of a batch that are read to count links; of larger ones nobody wants the number.
COUNTED = 300


class Offer(NamedTuple):
    """The way to start again at this link."""

    href: str
    why: str = ""


def flow(subject: Subject) -> dict[str, Any]:
    """Return the workflow that a job is part of; nothing for other jobs, or if it is hidden."""
    job = subject.job
    if job.batch_id is None:
        return {}
    batches = Batches.of(subject.admin, subject.request)
    around = _around(batches, job.batch_id)
    if not around:
        return {}
    jobs = Jobs.of(subject.admin, subject.request)
    return {
        "way": [
            Link(batches.called(row), batches.page(row.pk), batches.badge(row, subject.now))
            for row in around
        ],
        "place": _place(jobs, batches, job, around[-1]),
        "neighbours": list(neighbours(job, jobs, batches, subject.now)),
        "again": _again(subject, batches, around[-1]),
    }


def _around(batches: Batches, batch_id: UUID) -> list[Batch]:
    """Return the whole workflow and the batch that holds the job, from the top."""
    own = next(iter(batches.seen(batches.rows.filter(pk=batch_id))), None)
    if own is None or own.is_root:
        return [own] if own else []
    root = batches.seen(batches.rows.filter(pk=own.root_id))
    return [*root, own]


def _place(jobs: Jobs, batches: Batches, job: Job, batch: Batch) -> str:
    """Return what the job is to its batch, and which link of its element."""
    if job.role != Role.MEMBER:
        return _("callback: %(role)s") % {"role": Role(job.role).label}
    if not job.next_id and not job.follows_id:
        return ""
    if batch.total > COUNTED:
        return ""
    inside = {"batch_id": batch.pk, "position": job.position}
    rows = [
        *jobs.rows.filter(**inside, role=Role.MEMBER).order_by().values_list("pk", "follows_id"),
        *batches.rows.filter(**inside).order_by().values_list("pk", "follows_id"),
    ]
    before, here, count = dict(rows), job.follows_id, 1
    while here in before and count <= len(rows):
        here, count = before[here], count + 1
    return _("link %(number)s of %(count)s") % {"number": number(count), "count": number(len(rows))}


def _again(subject: Subject, batches: Batches, batch: Batch) -> Offer | None:
    job = subject.job
    allowed = may(subject.request.user, Deed.RETRY_BATCH, batch)
    if job.role != Role.MEMBER or not allowed or batches.admin is None:
        return None
    href = address(batches.admin, "retry_from", pk=batch.pk, member=job.pk)
    return Offer(href, "" if job.state in FINAL else _("This is possible once it has ended."))


MEMBERSHIP: tuple[Region[Subject], ...] = (Region("flow", flow),)
