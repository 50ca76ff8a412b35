"""Related: the jobs around this one.

A job's children and its forks are not looked up: no index leads to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celery_jobman.admin import badges
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import address, page_of
from celery_jobman.models import LogLine
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Job

#: Failures like this one that are counted one by one.
COUNTED = 100


class Kin(NamedTuple):
    """A job around this one."""

    name: str
    job_id: UUID
    #: Empty when the user may not see it, or it is gone.
    href: str = ""
    task: str = ""
    badge: Badge | None = None


class Link(NamedTuple):
    """A way to a list."""

    text: str
    href: str


def related(subject: Subject) -> dict[str, Any]:
    """Return the jobs around this one, and the lists that concern it."""
    kin, links = list(_kin(subject)), [*_alike(subject), *_lines(subject)]
    return {"kin": kin, "links": links} if kin or links else {}


def _kin(subject: Subject) -> Iterator[Kin]:
    job = subject.job
    named = (
        (_("Started by"), job.parent_id),
        (_("Fork of"), job.retry_of),
        (_("Replaced by"), job.replaced_by),
    )
    ids = [job_id for _name, job_id in named if job_id]
    rows = subject.admin.get_queryset(subject.request).filter(pk__in=ids) if ids else ()
    seen: dict[UUID, Job] = {
        row.pk: row for row in rows if may(subject.request.user, Deed.VIEW, row)
    }
    for name, job_id in named:
        if job_id and (row := seen.get(job_id)):
            task, badge = visible(row.label or row.task), badges.of(row, subject.now)
            yield Kin(name, job_id, page_of(subject.admin, job_id), task, badge)
        elif job_id:
            yield Kin(name, job_id)


def _alike(subject: Subject) -> Iterator[Link]:
    """Yield the way to the other failures that look like this job's."""
    job = subject.job
    if not job.fingerprint or not subject.may(Deed.VIEW_LOG):
        return
    failures = subject.admin.get_queryset(subject.request).filter(
        state=State.FAILED, fingerprint=job.fingerprint
    )
    count = failures.exclude(pk=job.pk).order_by().values("pk")[: COUNTED + 1].count()
    if count:
        shown = f"{COUNTED}+" if count > COUNTED else str(count)
        text = ngettext(
            "%(count)s other failure like it", "%(count)s other failures like it", count
        )
        query = urlencode({"q": f"fingerprint:{job.fingerprint}"})
        yield Link(text % {"count": shown}, f"{address(subject.admin, 'changelist')}?{query}")


def _lines(subject: Subject) -> Iterator[Link]:
    """Yield the way to the rows of the job's log, where the site shows them."""
    request, site = subject.request, subject.admin.admin_site
    if not subject.may(Deed.VIEW_LOG) or not site.is_registered(LogLine):
        return
    if not site.get_model_admin(LogLine).has_view_permission(request):
        return
    href = reverse(f"{site.name}:jobman_logline_changelist", current_app=site.name)
    yield Link(_("All rows of its log"), f"{href}?{urlencode({'job_id': str(subject.job.pk)})}")
