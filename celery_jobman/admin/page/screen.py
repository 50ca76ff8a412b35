"""The screen of one job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _

from celery_jobman.admin import frame
from celery_jobman.admin.hooks import DisplayHooks
from celery_jobman.admin.page.drawing import draw
from celery_jobman.admin.page.layout import REGIONS
from celery_jobman.admin.page.regions import Subject
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.reading import as_uuid
from celery_jobman.admin.routes import address, page_of, visible_job
from celery_jobman.models import Job
from celery_jobman.models.job import NAME_LENGTH

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Jobs with one and the same id of Celery's that are looked at.
ALIKE = 20


class PageScreen(DisplayHooks):
    """A job's own page instead of Django's form."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a job; whoever may not see it is told that there is none."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        try:
            job = self._visible(request, unquote(object_id))
            return self._page(request, job, extra_context or {})
        except (Http404, Job.DoesNotExist):
            return self._by_task_id(request, unquote(object_id)) or self._nowhere(request)

    def _by_task_id(self, request: HttpRequest, task_id: str) -> HttpResponse | None:
        """Lead to the newest job that the user may see with Celery's id, as logs show it."""
        if not 0 < len(task_id) <= NAME_LENGTH or not task_id.isprintable():
            return None
        # In no order, or a database might walk the primary key instead of the index.
        rows = self.get_queryset(request).filter(task_id=task_id).order_by()[:ALIKE]
        seen = [job.pk for job in rows if self.has_view_permission(request, job)]
        return HttpResponseRedirect(page_of(self, max(seen))) if seen else None

    def _nowhere(self, request: HttpRequest) -> HttpResponse:
        """Say that there is no such job."""
        return frame.nowhere(self, request, _("There is no such job, or you may not see it."))

    def _visible(self, request: HttpRequest, object_id: str) -> Job:
        job_id = as_uuid(object_id)
        if job_id is None:
            raise Http404
        return visible_job(self, request, job_id)

    def _page(self, request: HttpRequest, job: Job, extra_context: dict[str, Any]) -> HttpResponse:
        subject = Subject(self, request, job, timezone.now())
        drawn = [draw(subject, region) for region in REGIONS]
        context: dict[str, Any] = {
            "regions": [region for region in drawn if region],
            "order": " ".join(region.name for region in REGIONS),
            "state_url": address(self, "state", pk=job.pk),
            "now": subject.now,
        }
        title = visible(str(self.display_name(job)))
        template = "job/page.html"
        context |= extra_context
        return frame.response(
            self, request, template, title=title, job=job, is_page=True, **context
        )
