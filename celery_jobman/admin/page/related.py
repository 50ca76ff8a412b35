"""Related: the jobs around this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celery_jobman.admin.access import Deed
from celery_jobman.admin.page.kin import children, kin
from celery_jobman.admin.routes import address
from celery_jobman.insight.wording import at_least
from celery_jobman.models import LogLine
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.admin.page.regions import Subject

#: Failures like this one that are counted one by one.
COUNTED = 100


class Link(NamedTuple):
    """A way to a list."""

    text: str
    href: str


def related(subject: Subject) -> dict[str, Any]:
    """Return the jobs around this one, and the lists that concern it."""
    links = [*_alike(subject), *_lines(subject)]
    found = {"kin": kin(subject), "children": children(subject), "links": links}
    return found if any(found.values()) else {}


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
        shown = at_least(COUNTED) if count > COUNTED else str(count)
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
