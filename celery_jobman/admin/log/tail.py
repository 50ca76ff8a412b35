"""The tail: the lines of a log that follow a cursor, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponseNotAllowed, JsonResponse

from celery_jobman.admin.access import Deed
from celery_jobman.admin.log import around
from celery_jobman.admin.log.lines import TAIL
from celery_jobman.admin.log.parameters import ParameterRefused, wish
from celery_jobman.admin.routes import visible_job
from celery_jobman.states import State

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from celery_jobman.admin.log.lines import Portion
    from celery_jobman.admin.log.parameters import Wish
    from celery_jobman.models import Job


def view(admin: ModelAdmin[Any], request: HttpRequest, *, pk: UUID) -> HttpResponseBase:
    """Answer with lines, where to go on, and whether more can come."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    # The job is read before its lines: once it is final, what is read now is all there is.
    job = visible_job(admin, request, pk, Deed.VIEW_LOG)
    try:
        asked = wish(job.pk, request.GET)
    except ParameterRefused as refusal:
        return JsonResponse({"error": str(refusal), "parameter": refusal.name}, status=400)
    return _answer(_portion(asked), is_over(job, asked.log.attempt))


def _portion(asked: Wish) -> Portion:
    if asked.log.find:
        return _found(asked)
    if asked.after is None:
        return asked.log.tail(min(asked.limit, TAIL))
    if asked.before is not None:
        return asked.log.between(asked.after, asked.before, asked.limit)
    return asked.log.after(asked.after, asked.limit)


def _found(asked: Wish) -> Portion:
    if asked.after is None:
        return around.tail(asked.log, min(asked.limit, TAIL))
    return around.between(asked.log, asked.after, asked.before, asked.limit)


def _answer(portion: Portion, over: bool) -> JsonResponse:  # noqa: FBT001 - two words of one answer
    body = {
        "lines": portion.lines,
        "cursor": portion.cursor,
        "skipped": portion.skipped,
        "through": portion.through,
        "eof": over and portion.through,
        "around": list(portion.around),
        "breaks": list(portion.breaks),
    }
    response = JsonResponse(body, json_dumps_params={"ensure_ascii": False})
    response["X-Content-Type-Options"] = "nosniff"
    return response


def is_over(job: Job, attempt: int | None) -> bool:
    """Whether no more lines can come: of the job, or of one of its attempts."""
    if job.is_final or attempt is None:
        return job.is_final
    return attempt < job.attempt or (attempt == job.attempt and job.state != State.RUNNING)
