"""What the pages of the shop ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import permission_required
from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from celery_jobman import find_batch
from example_project.shop.models import Newsletter

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest


@require_safe
@never_cache
@permission_required("shop.view_newsletter", raise_exception=True)
def newsletter_status(_request: HttpRequest, batch_id: UUID) -> JsonResponse:
    """Say how far a newsletter is, for a page that asks once a second.

    Only batches that deliver newsletters are told of: an id alone opens no other.
    """
    get_object_or_404(Newsletter, batch_id=batch_id)
    return JsonResponse(find_batch(batch_id).status())
