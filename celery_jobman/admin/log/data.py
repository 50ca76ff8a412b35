"""Data: the region of the job's page with what the job was given and gave back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.http import Http404, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _

from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.log.payloads import KINDS, Shown, load, masked
from celery_jobman.admin.routes import address, visible_job

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from celery_jobman.admin.hooks import DisplayHooks
    from celery_jobman.admin.page.regions import Subject
    from celery_jobman.models import Job

#: What stands among the job's facts already.
FACTS = frozenset({"tags"})


class Block(NamedTuple):
    """One value on the page."""

    shown: Shown
    #: Where all of it can be had, masked as well.
    href: str


def context(subject: Subject) -> dict[str, Any]:
    """Return what the user may see of the job's data, masked, and whether more can be shown."""
    blocks = list(_blocks(subject))
    if not blocks:
        return {}
    user, job = subject.request.user, subject.job
    return {
        "blocks": blocks,
        "hidden": sum(block.shown.hidden for block in blocks),
        "reveal_url": address(subject.admin, "reveal", pk=job.pk)
        if any(block.shown.hidden or block.shown.is_cut for block in blocks)
        and may(user, Deed.REVEAL, job)
        else "",
    }


def _blocks(subject: Subject) -> list[Block]:
    job = subject.job
    names = [name for name in visible(subject.request.user, job) if name not in FACTS]
    loaded = load(job.pk, names)
    show = partial(subject.admin.display_value, job)
    return [
        Block(masked(name, value, show=show), address(subject.admin, "data", pk=job.pk, part=name))
        for name, value in loaded.items()
    ]


def visible(user: Any, job: Job) -> list[str]:
    """Return the names of the data that a user may see."""
    return [name for name, kind in KINDS.items() if may(user, kind.deed, job)]


def download(admin: DisplayHooks, request: HttpRequest, *, pk: UUID, part: str) -> HttpResponseBase:
    """Answer with one value, masked, whole."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if part not in KINDS:
        raise Http404(_("There is no such job, or you may not see it."))
    job = visible_job(admin, request, pk, KINDS[part].deed)
    loaded = load(job.pk, [part], whole=True)
    show = partial(admin.display_value, job)
    text = masked(part, loaded[part], None, show).text if loaded else "null"
    response = HttpResponse(text + "\n", content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{job.pk}-{part}.json"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
