"""Reveal: masked values, shown once to somebody who says why; every time is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpResponseNotAllowed
from django.utils import timezone
from django.utils.translation import gettext as _

from celery_jobman.admin import frame
from celery_jobman.admin.access import Deed
from celery_jobman.admin.log.data import visible
from celery_jobman.admin.log.lines import plain
from celery_jobman.admin.log.payloads import load, revealed
from celery_jobman.admin.routes import page_of, visible_job
from celery_jobman.core import actions
from celery_jobman.core.encoding import clean
from celery_jobman.models.database import atomic

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from celery_jobman.models import Job


def view(admin: ModelAdmin[Any], request: HttpRequest, *, pk: UUID) -> HttpResponseBase:
    """Write down who asks and why, and answer with the values; nothing is kept of the page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    job = visible_job(admin, request, pk, Deed.REVEAL)
    names = visible(request.user, job)
    _audit(request, job, names)
    loaded = load(job.pk, names, whole=True)
    blocks = [revealed(name, value) for name, value in loaded.items()]
    title = _("Revealed values")
    page = page_of(admin, job.pk)
    return frame.response(
        admin, request, "log/reveal.html", title=title, job=job, blocks=blocks, page=page
    )


def _audit(request: HttpRequest, job: Job, names: list[str]) -> None:
    # Cleaned here as well: Django's own log does not refuse a NUL before the database does.
    reason = clean(plain(request.POST.get("reason", "").strip()), actions.REASON_LENGTH)
    user: Any = request.user
    with atomic():
        changes = {"revealed": names}
        actions.record(
            "reveal", job.pk, actor=user, reason=reason, now=timezone.now(), changes=changes
        )
        message = _("Revealed masked values: %(reason)s") % {"reason": reason or "-"}
        LogEntry.objects.log_actions(user.pk, [job], CHANGE, message)
