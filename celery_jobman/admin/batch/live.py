"""Live: what changed on a batch's pages since they were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponseNotAllowed
from django.utils import timezone

from celery_jobman.admin.batch.reach import visible_batch
from celery_jobman.admin.batch.regions import Subject
from celery_jobman.admin.page.live import answer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from celery_jobman.admin.page.regions import Region


class Live:
    """Answers with those regions of one page that are no longer as the page says it holds them."""

    def __init__(self, regions: Sequence[Region[Subject]]) -> None:
        self.regions = regions

    def __call__(
        self, admin: ModelAdmin[Any], request: HttpRequest, /, *, pk: UUID
    ) -> HttpResponseBase:
        """Answer as the live address of a job does."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        batch = visible_batch(admin, request, pk)
        return answer(Subject(admin, request, batch, timezone.now()), self.regions, batch)
