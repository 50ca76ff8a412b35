"""Live: what changed on a job's page since it was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpResponseNotAllowed, JsonResponse
from django.utils import timezone

from celery_jobman.admin.page.drawing import draw
from celery_jobman.admin.page.layout import REGIONS
from celery_jobman.admin.page.regions import Subject
from celery_jobman.admin.routes import visible_job

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from celery_jobman.admin.hooks import DisplayHooks
    from celery_jobman.admin.page.regions import Region, S
    from celery_jobman.models import Batch, Job


def state(admin: DisplayHooks, request: HttpRequest, *, pk: UUID) -> HttpResponseBase:
    """Return the live regions that are no longer as the page says it holds them.

    The page sends the version of each of its regions (``?header=…&progress=…``).  A region
    that is gone comes with an empty version.
    """
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    job = visible_job(admin, request, pk)
    return answer(Subject(admin, request, job, timezone.now()), REGIONS, job)


def answer(subject: S, regions: Iterable[Region[S]], row: Job | Batch) -> JsonResponse:
    """Answer with what changed on the page of a job or batch.

    Raises:
        Http404: It was deleted since it was read.
    """
    try:
        changed = changes(subject, regions)
    except ObjectDoesNotExist as gone:
        raise Http404 from gone
    return JsonResponse({"final": row.is_final, "at": subject.now.isoformat(), "regions": changed})


def changes(subject: S, regions: Iterable[Region[S]]) -> dict[str, dict[str, str]]:
    """Return those of the live regions that the page, by its versions, holds no more."""
    held = subject.request.GET
    drawn = {region.name: _drawn(subject, region) for region in regions if region.live}
    return {name: part for name, part in drawn.items() if part["version"] != held.get(name, "")}


def _drawn(subject: S, region: Region[S]) -> dict[str, str]:
    drawn = draw(subject, region)
    return {"version": drawn.version, "html": drawn.html} if drawn else {"version": "", "html": ""}
