"""Failures: the first that counts, and groups of those that look alike, with ways to their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celery_jobman.admin.access import Deed
from celery_jobman.admin.listing.rows import light
from celery_jobman.admin.listing.tabs import PARAMETERS
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import address
from celery_jobman.insight import failures as insight
from celery_jobman.insight import wording
from celery_jobman.models import Job
from celery_jobman.models.job import Role
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from celery_jobman.admin.batch.regions import Subject
    from celery_jobman.insight.failures import Failures, Group
    from celery_jobman.models import Batch

#: Characters of a message that stands alone, and of the error of each group, that are shown.
LONGEST, SHORT = 1_000, 300


class Link(NamedTuple):
    """A job that the user may see."""

    name: str
    href: str


class Entry(NamedTuple):
    """A group as the page shows it."""

    error: str
    #: How many, and the list of exactly these.
    jobs: str
    href: str
    example: Link
    #: Whether the example is the first failure that counts.
    is_first: bool


class First(NamedTuple):
    """The first failure that counts, where no group tells of it."""

    #: None when the user may not see it, or it is gone.
    job: Link | None
    #: Empty when the user may not read it.
    message: str = ""
    is_hidden: bool = False


def failures(subject: Subject) -> dict[str, Any]:
    """Return the groups of failures, and the first failure unless one of them tells of it."""
    found = _found(subject)
    rows = _rows(subject, found)
    entries = [entry for group in found.shown if (entry := _entry(subject, group, rows))]
    told = any(entry.is_first for entry in entries)
    first = None if told else _first(subject, rows)
    if not entries:
        return {"first": first} if first else {}
    return {
        "first": None if first and first.is_hidden else first,
        "entries": entries,
        "groups": _groups(len(entries) + found.others),
        "others": _others(found.others) if found.others else "",
        "limit": wording.number(insight.REACH) if found.is_cut else "",
    }


def _found(subject: Subject) -> Failures:
    """Return the groups; none for those who may not read errors."""
    jobs = subject.jobs
    if not jobs.may(Deed.VIEW) or not jobs.may(Deed.VIEW_LOG):
        return insight.Failures()
    return insight.of(subject.batch, jobs.rows)


def _rows(subject: Subject, found: Failures) -> Mapping[UUID, Job]:
    """Return the first failure and the examples of the groups, those that the user may see."""
    ids = {pk for group in found.shown for pk in group.examples}
    ids |= {subject.batch.error_job_id} if subject.batch.error_job_id else set()
    jobs = light(subject.jobs.rows.filter(pk__in=ids)) if ids else ()
    return {job.pk: job for job in subject.jobs.seen(jobs)}


def _entry(subject: Subject, group: Group, rows: Mapping[UUID, Job]) -> Entry | None:
    """Return what is told of a group; None when none of its examples may be told of."""
    first = rows.get(subject.batch.error_job_id) if subject.batch.error_job_id else None
    alike = first if first and _is_in(first, group, subject.batch) else None
    examples = [alike, *(rows.get(pk) for pk in group.examples)]
    job = next((one for one in examples if one and subject.jobs.may(Deed.VIEW_LOG, one)), None)
    if job is None:
        return None
    told = wording.error(job.error_class, getattr(job, "jobman_error", "") or "")
    return Entry(
        error=visible(told, SHORT) or _("No error was kept."),
        jobs=wording.jobs(group.number),
        href=_list(subject, group),
        example=_link(subject, job),
        is_first=job is alike,
    )


def _is_in(job: Job, group: Group, batch: Batch) -> bool:
    is_member = (job.batch_id, job.role, job.state) == (batch.pk, Role.MEMBER, State.FAILED)
    return is_member and job.fingerprint == group.fingerprint


def _first(subject: Subject, rows: Mapping[UUID, Job]) -> First | None:
    batch = subject.batch
    if batch.error_job_id is None and not batch.error_message:
        return None
    job = rows.get(batch.error_job_id) if batch.error_job_id else None
    link = _link(subject, job) if job else None
    if _is_hidden(subject, job):
        return First(link, is_hidden=True)
    message = visible(batch.error_message, LONGEST)
    return First(link, message) if link or message else None


def _is_hidden(subject: Subject, job: Job | None) -> bool:
    """Return whether the first failure's message is not for the user; its job may be gone."""
    jobs, job_id = subject.jobs, subject.batch.error_job_id
    if not jobs.may(Deed.VIEW_LOG, job):
        return True
    if job is not None or job_id is None or jobs.admin is None:
        return False
    return Job.objects.filter(pk=job_id).exists()


def _link(subject: Subject, job: Job) -> Link:
    return Link(subject.jobs.called(job), subject.jobs.page(job.pk))


def _list(subject: Subject, group: Group) -> str:
    """Return the address of the list of a group's jobs."""
    admin = subject.jobs.admin
    if admin is None:
        return ""
    return f"{address(admin, 'changelist')}?{urlencode(list(_terms(subject.batch, group)))}"


def _terms(batch: Batch, group: Group) -> Iterator[tuple[str, str]]:
    yield PARAMETERS[0], State.FAILED.value
    if group.fingerprint:
        yield "q", f"batch:{batch.pk} fingerprint:{group.fingerprint}"
    else:  # no word of a search is empty
        yield "q", f"batch:{batch.pk}"
        yield "fingerprint__exact", ""


def _groups(count: int) -> str:
    text = ngettext("%(count)s group", "%(count)s groups", count)
    return text % {"count": wording.number(count)}


def _others(count: int) -> str:
    text = ngettext("and %(count)s other error", "and %(count)s other errors", count)
    return text % {"count": wording.number(count)}
