"""Links: the job or batch that comes before a link of an element, and the one after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.batch.sight import Batches, Jobs
    from celery_jobman.models import Batch, Job


class Link(NamedTuple):
    """A job or a batch that the user may see."""

    name: str
    href: str
    badge: Badge


def neighbours(
    row: Job | Batch, jobs: Jobs, batches: Batches, now: datetime
) -> Iterator[tuple[str, Link]]:
    """Yield the links before and after a row that the user may see, with what they are to it."""
    named = {row.follows_id: _("After"), row.next_id: _("Before")}
    ids = {each for each in named if each}
    found = _found(ids, jobs, batches, now) if ids else {}
    for key, word in named.items():
        if key in found:
            yield word, found[key]


def _found(ids: set[UUID], jobs: Jobs, batches: Batches, now: datetime) -> dict[UUID, Link]:
    found: dict[UUID, Link] = {}
    for job in jobs.seen(jobs.rows.filter(pk__in=ids)):
        found[job.pk] = Link(jobs.called(job), jobs.page(job.pk), jobs.badge(job, now))
    for batch in batches.seen(batches.rows.filter(pk__in=ids - found.keys())):
        told = (batches.called(batch), batches.page(batch.pk), batches.badge(batch, now))
        found[batch.pk] = Link(*told)
    return found
