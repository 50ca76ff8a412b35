"""Live: what the list's script asks for while the page is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celery_jobman.admin.listing import limits, rows, tabs
from celery_jobman.admin.listing.changelist import CURSORS
from celery_jobman.admin.reading import as_uuid

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

#: Most rows that one answer renews, and most new jobs that it counts.
ROWS, NEW = 200, 999

#: Parameters of the script; everything else is the list's filter.
IDS, NEWEST = "ids", "newest"


def counts(admin: ModelAdmin[Any], request: HttpRequest) -> JsonResponse:
    """Return how many jobs of each state match the list's other filters."""
    return _answer(admin, request, tabs.PARAMETERS, lambda found: {"counts": tabs.counts(found)})


def states(admin: ModelAdmin[Any], request: HttpRequest) -> JsonResponse:
    """Return the changing cells of the jobs in view, and how many new ones match."""
    newest = as_uuid(request.GET.get(NEWEST, ""))
    wanted = [as_uuid(text) for text in request.GET.get(IDS, "").split(",")[:ROWS]]

    def content(found: QuerySet[Any]) -> dict[str, Any]:
        told = _newer(found, newest) if newest else {}
        return {"rows": _rows(admin, request, wanted), "new": "", **told}

    return _answer(admin, request, (), content)


def clock() -> str:
    """Return the time, and the zone that all times on the page are in."""
    now, zone = timezone.localtime(), timezone.get_current_timezone_name()
    return f"{now:%H:%M:%S} {zone}"


def _newer(found: QuerySet[Any], newest: UUID) -> dict[str, str]:
    try:
        with limits.limited(found.db):
            return {"new": _news(tabs.capped(found.filter(pk__gt=newest), NEW))}
    except limits.TookTooLong:
        return {"trouble": limits.sentence()}


def _rows(admin: Any, request: HttpRequest, wanted: list[Any]) -> dict[str, Any]:
    keys = [key for key in wanted if key]
    jobs = rows.light(admin.get_queryset(request)).filter(pk__in=keys) if keys else []
    return {str(job.pk): rows.of(job).live() for job in rows.dressed(admin, request, jobs)}


def _news(number: int) -> str:
    text = ngettext("Show %(count)s new job", "Show %(count)s new jobs", number)
    return text % {"count": tabs.worded(number, NEW)} if number else ""


def _answer(admin: Any, request: Any, without: tuple[str, ...], content: Any) -> JsonResponse:
    if not admin.has_view_permission(request):
        raise PermissionDenied
    request.GET = request.GET.copy()
    for name in (IDS, NEWEST, *CURSORS, *without):
        request.GET.pop(name, None)
    try:
        found = admin.get_changelist_instance(request).queryset
        return JsonResponse({**content(found), "at": clock()})
    except IncorrectLookupParameters:
        return JsonResponse({"error": _("The list cannot be filtered so.")}, status=400)
