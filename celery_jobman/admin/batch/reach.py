"""Reach: the batch that an address names, if the user may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.utils.translation import gettext as _

from celery_jobman.admin.access import Deed, may

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from celery_jobman.models import Batch


def visible_batch(
    admin: ModelAdmin[Any], request: HttpRequest, pk: UUID | str, *deeds: Deed
) -> Batch:
    """Return a batch that the user may see, and do all ``deeds`` to.

    Raises:
        Http404: There is no such batch, or the user may not; they look the same.
    """
    batch: Batch | None = admin.get_queryset(request).filter(pk=pk).first()
    wanted = (Deed.VIEW_BATCH, *deeds)
    if batch is None or not all(may(request.user, deed, batch) for deed in wanted):
        raise Http404(_("There is no such batch, or you may not see it."))
    return batch
