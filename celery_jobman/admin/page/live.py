"""Live: what changed on a job's page since it was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponseNotAllowed, JsonResponse
from django.utils import timezone

from celery_jobman.admin.page.drawing import draw
from celery_jobman.admin.page.layout import REGIONS
from celery_jobman.admin.page.regions import Subject
from celery_jobman.admin.routes import visible_job
from celery_jobman.models import Job

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from celery_jobman.admin.hooks import DisplayHooks
    from celery_jobman.admin.page.regions import Region


def state(admin: DisplayHooks, request: HttpRequest, *, pk: UUID) -> HttpResponseBase:
    """Return the live regions that are no longer as the page says it holds them.

    The page sends the version of each of its regions (``?header=…&progress=…``).  A region
    that is gone comes with an empty version.
    """
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    job = visible_job(admin, request, pk)
    subject = Subject(admin, request, job, timezone.now())
    live = [region for region in REGIONS if region.live]
    try:
        drawn = {region.name: _drawn(subject, region) for region in live}
    except Job.DoesNotExist as gone:  # deleted since it was read
        raise Http404 from gone
    changed = {
        name: part for name, part in drawn.items() if part["version"] != request.GET.get(name, "")
    }
    return JsonResponse({"final": job.is_final, "at": subject.now.isoformat(), "regions": changed})


def _drawn(subject: Subject, region: Region) -> dict[str, str]:
    drawn = draw(subject, region)
    return {"version": drawn.version, "html": drawn.html} if drawn else {"version": "", "html": ""}
