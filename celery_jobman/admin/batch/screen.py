"""The screen of one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from celery_jobman.admin import frame
from celery_jobman.admin.batch.layout import REGIONS
from celery_jobman.admin.batch.naming import called
from celery_jobman.admin.batch.reach import visible_batch
from celery_jobman.admin.batch.regions import Subject
from celery_jobman.admin.page.drawing import draw
from celery_jobman.admin.reading import ReadOnlyAdmin, as_uuid
from celery_jobman.admin.routes import address
from celery_jobman.models import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

    from celery_jobman.admin.page.regions import Region


class BatchScreen(ReadOnlyAdmin):
    """A batch's own page instead of Django's form."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a batch; whoever may not see it is told that there is none."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        try:
            batch = self._visible(request, unquote(object_id))
            return self._page(request, batch, extra_context or {})
        except (Http404, Batch.DoesNotExist):
            return nowhere(self, request)

    def _visible(self, request: HttpRequest, object_id: str) -> Batch:
        batch_id = as_uuid(object_id)
        if batch_id is None:
            raise Http404
        return visible_batch(self, request, batch_id)

    def _page(self, request: HttpRequest, batch: Batch, extra: dict[str, Any]) -> HttpResponse:
        subject = Subject(self, request, batch, timezone.now())
        graph = address(self, "graph", pk=batch.pk)
        context = {**parts(subject, REGIONS, "state"), "graph_url": graph, **extra}
        template, title = "batch/page.html", called(batch)
        way, is_page = subject.way, True
        return frame.response(
            self, request, template, title=title, way=way, is_page=is_page, **context
        )


def parts(subject: Subject, regions: Sequence[Region[Subject]], live: str) -> dict[str, Any]:
    """Return what the template of a page with regions reads; ``live`` names its live address."""
    drawn = [draw(subject, region) for region in regions]
    state_url = address(subject.admin, live, pk=subject.batch.pk)
    query = subject.request.GET.urlencode()
    return {
        "batch": subject.batch,
        "regions": [region for region in drawn if region],
        "order": " ".join(region.name for region in regions),
        "state_url": f"{state_url}?{query}" if query else state_url,
        "now": subject.now,
    }


def nowhere(admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """Say that there is no such batch."""
    return frame.nowhere(admin, request, _("There is no such batch, or you may not see it."))
