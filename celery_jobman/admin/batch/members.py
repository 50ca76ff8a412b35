"""Members: the jobs and batches directly inside a batch, by their states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from celery_jobman.admin.access import Deed
from celery_jobman.admin.badges import Badge
from celery_jobman.admin.batch.bar import KEPT, PENDING, SEGMENTS, counts_of
from celery_jobman.admin.listing.rows import SHOWN, light
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.reading import as_uuid
from celery_jobman.insight.wording import at, done_of, error, lasting, number
from celery_jobman.models.job import Role
from celery_jobman.states import FINAL, WAITING, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from django.db.models import QuerySet

    from celery_jobman.admin.batch.regions import Subject
    from celery_jobman.models import Batch, Job

#: The parameters of the page: which members are shown, and after which one the page begins.
SHOW, AFTER = "show", "after"
ALL: Final = "all"
#: Members on one page.
PER_PAGE: Final = 100
#: The states that a batch counts as pending.
UNFINISHED: Final = tuple(state for state in State if state not in FINAL)


class Tab(NamedTuple):
    """A link to the members that stand somewhere."""

    href: str
    chosen: bool
    badge: Badge | None
    word: str
    number: str


class Member(NamedTuple):
    """A job or a batch as the table shows it."""

    name: str
    href: str
    badge: Badge
    element: str
    note: str
    began: str = ""
    took: str = ""
    is_batch: bool = False


def chosen(subject: Subject) -> str:
    """Return which members are shown: those asked for, else those that matter most."""
    asked = subject.request.GET.get(SHOW, "")
    if asked == ALL or asked in KEPT:
        return asked
    batch = subject.batch
    return "failed" if batch.failed else PENDING if batch.pending else ALL


def members(subject: Subject) -> dict[str, Any]:
    """Return the tabs, and a page of the members that were chosen."""
    if not subject.batch.total:
        return {}
    show, after = chosen(subject), as_uuid(subject.request.GET.get(AFTER, ""))
    ids = _ids(subject, show, after)
    shown = ids[:PER_PAGE]
    return {
        "tabs": list(_tabs(subject, show)),
        "members": list(_rows(subject, shown)),
        "first": query({SHOW: show}) if after else "",
        "more": query({SHOW: show, AFTER: str(shown[-1])}) if len(ids) > PER_PAGE else "",
        "jobs_hidden": not subject.jobs.may(Deed.VIEW),
    }


def query(values: dict[str, str]) -> str:
    """Return a link of the page to its own members."""
    return f"?{urlencode(values)}#jm-members"


def _tabs(subject: Subject, show: str) -> Iterator[Tab]:
    counts = counts_of(subject.batch)
    yield Tab(query({SHOW: ALL}), show == ALL, None, _("All"), number(counts.total))
    for name in KEPT:
        (word, look), count = SEGMENTS[name], getattr(counts, name)
        if count or show == name:
            badge = Badge(*look, str(word))
            yield Tab(query({SHOW: name}), show == name, badge, badge.word, number(count))


def _ids(subject: Subject, show: str, after: UUID | None) -> list[UUID]:
    """Return the ids of a page's members and of one more, in the order they were written.

    Each state is read by itself: so the index on batch and state finds the first ones, however
    many members there are.
    """
    found: list[UUID] = []
    for rows in _kinds(subject):
        later = rows.filter(pk__gt=after) if after else rows
        for state in _states(subject.batch, show):
            ids = later.filter(state=state).order_by("pk").values_list("pk", flat=True)
            found += ids[: PER_PAGE + 1]
    return sorted(found)[: PER_PAGE + 1]


def _kinds(subject: Subject) -> Iterator[QuerySet[Any]]:
    inside = {"batch_id": subject.batch.pk}
    if subject.jobs.may(Deed.VIEW):
        yield subject.jobs.rows.filter(**inside, role=Role.MEMBER)
    nested = subject.batches.rows.filter(**inside)
    if nested.exists():
        yield nested


def _states(batch: Batch, show: str) -> Iterable[str]:
    """Return the states to look at; none of which the batch knows that there are no members."""
    names = [name for name in KEPT if show in {name, ALL} and getattr(batch, name)]
    for name in names:
        yield from UNFINISHED if name == PENDING else (name,)


def _rows(subject: Subject, ids: list[UUID]) -> Iterator[Member]:
    jobs = light(subject.jobs.rows.filter(pk__in=ids))
    found: dict[UUID, Member] = {job.pk: _job(subject, job) for job in subject.jobs.seen(jobs)}
    if len(found) < len(ids):
        rows = subject.batches.rows.filter(pk__in=ids)
        found |= {row.pk: _batch(subject, row) for row in subject.batches.seen(rows)}
    yield from (found[each] for each in ids if each in found)


def _job(subject: Subject, job: Job) -> Member:
    jobs = subject.jobs
    told = error(job.error_class, getattr(job, "jobman_error", "") or "")
    failed = job.state == State.FAILED and jobs.may(Deed.VIEW_LOG, job)
    member = Member(
        name=jobs.called(job),
        href=jobs.page(job.pk),
        badge=jobs.badge(job, subject.now),
        element=_element(job),
        note=visible(told, SHOWN) if failed else "",
    )
    return _timed(subject, member, job)


def _batch(subject: Subject, batch: Batch) -> Member:
    member = Member(
        name=subject.batches.called(batch),
        href=subject.batches.page(batch.pk),
        badge=subject.batches.badge(batch, subject.now),
        element=_element(batch),
        note=done_of(batch.ended, batch.total),
        is_batch=True,
    )
    return _timed(subject, member, batch)


def _element(row: Job | Batch) -> str:
    return "" if row.position is None else number(row.position + 1)


def _timed(subject: Subject, member: Member, row: Job | Batch) -> Member:
    if row.started_at is None or row.state in WAITING:
        return member
    took = lasting((row.finished_at or subject.now) - row.started_at)
    return member._replace(began=at(row.started_at), took=took)
