"""Raw: the whole log as plain text, streamed in slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponseNotAllowed, JsonResponse, StreamingHttpResponse
from django.utils import timezone

from celery_jobman.admin.access import Deed
from celery_jobman.admin.log.lines import Log, level_name, plain
from celery_jobman.admin.log.parameters import ATTEMPT_LIMIT, ParameterRefused, number
from celery_jobman.admin.routes import visible_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from celery_jobman.models import LogLine

#: Lines read by one statement.
SLICE = 200
#: The columns that are written.
COLUMNS = ("id", "at", "level", "logger", "step", "message")


def view(admin: ModelAdmin[Any], request: HttpRequest, *, pk: UUID) -> HttpResponseBase:
    """Answer with all lines of the job, or of one attempt."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    job = visible_job(admin, request, pk, Deed.VIEW_LOG)
    try:
        attempt = number(request.GET, "attempt", ATTEMPT_LIMIT, least=1)
    except ParameterRefused as refusal:
        return JsonResponse({"error": str(refusal), "parameter": refusal.name}, status=400)
    name = f"{job.pk}-{attempt}.log" if attempt else f"{job.pk}.log"
    lines = text(Log(job_id=job.pk, attempt=attempt))
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def text(log: Log) -> Iterator[str]:
    """Yield the lines of a log, a slice at a time; the ones that exist when it begins."""
    cursor, end = 0, log.everything.values_list("id", flat=True).last()
    while end is not None:
        rows = list(log.wanted.only(*COLUMNS).filter(id__gt=cursor, id__lte=end)[:SLICE])
        yield "".join(map(_line, rows))
        if len(rows) < SLICE:
            return
        cursor = rows[-1].id


def _line(line: LogLine) -> str:
    moment = timezone.localtime(line.at).isoformat(sep=" ", timespec="milliseconds")
    parts = (moment, level_name(line.level), line.logger, line.step or "-", line.message)
    return f"{plain(' '.join(parts))}\n"
