"""Kin: the jobs that this one came from, those that came from it, and those it started."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from celery_jobman.admin import badges
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.listing.rows import light
from celery_jobman.admin.listing.tabs import ORDER, PARAMETERS
from celery_jobman.admin.page.header import succession
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import address, page_of
from celery_jobman.insight.wording import at_least, number
from celery_jobman.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.page.regions import Subject

#: Jobs that this one started that are counted.
CHILDREN = 1_000
#: Jobs made from this one that are looked at, and that are shown.
FORKS, SHOWN = 100, 10


class Kin(NamedTuple):
    """A job around this one."""

    name: str
    job_id: UUID
    #: Empty when the user may not see it, or it is gone.
    href: str = ""
    task: str = ""
    badge: Badge | None = None


class Count(NamedTuple):
    """How many jobs of one state this one started, and where they are listed."""

    badge: Badge
    number: str
    href: str


def kin(subject: Subject) -> list[Kin]:
    """Return the jobs that this one came from, and the newest that came from it."""
    named = dict(_named(subject))
    rows = _seen(subject, named)
    return [_of(subject, name, job_id, rows.get(job_id)) for job_id, name in named.items()]


def _named(subject: Subject) -> Iterator[tuple[UUID, str]]:
    """Yield ids with what they are to this job; of an id that comes twice, the last counts."""
    job = subject.job
    for job_id in _forks(subject):
        yield job_id, _("Retried as")
    found = (
        (_root(job), _("First of its chain or group")),
        (job.parent_id, _("Started by")),
        (job.retry_of, _("Retry of")),
        (job.replaced_by, succession(job)),
    )
    yield from ((job_id, name) for job_id, name in found if job_id)


def _forks(subject: Subject) -> list[UUID]:
    # Sorted here: a database that is asked for the newest few may walk all jobs for them.
    forks = subject.admin.get_queryset(subject.request).filter(retry_of=subject.job.pk).order_by()
    return sorted(forks.values_list("pk", flat=True)[:FORKS], reverse=True)[:SHOWN]


def _root(job: Job) -> UUID | None:
    """Return the job with which it all began, if that is another one."""
    if not job.root_id or job.root_id in {job.task_id, str(job.pk)}:
        return None
    first = Job.objects.filter(task_id=job.root_id).order_by().values_list("pk", flat=True)
    return next((pk for pk in first[:1] if pk != job.pk), None)


def _seen(subject: Subject, ids: Iterable[UUID]) -> dict[UUID, Job]:
    """Return those of some jobs that the user may see."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = light(subject.admin.get_queryset(subject.request)).filter(pk__in=wanted)
    return {row.pk: row for row in rows if may(subject.request.user, Deed.VIEW, row)}


def _of(subject: Subject, name: str, job_id: UUID, row: Job | None) -> Kin:
    if row is None:
        return Kin(name, job_id)
    task = visible(str(subject.admin.display_name(row)))
    return Kin(name, job_id, page_of(subject.admin, job_id), task, badges.of(row, subject.now))


def children(subject: Subject) -> list[Count]:
    """Return how many jobs this one started, by their states."""
    parent = subject.job.pk
    mine = subject.admin.get_queryset(subject.request).filter(parent_id=parent).order_by()
    states = list(mine.values_list("state", flat=True)[: CHILDREN + 1])
    counts = Counter(states[:CHILDREN])
    said = at_least if len(states) > CHILDREN else number
    shown = (state for state in ORDER if counts[state])
    lists = address(subject.admin, "changelist")
    return [
        Count(
            badges.of_state(state),
            said(counts[state]),
            f"{lists}?{urlencode({'parent_id': str(parent), PARAMETERS[0]: state.value})}",
        )
        for state in shown
    ]
