"""Naming: what a batch is called, and how its state looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from celery_jobman.admin import badges
from celery_jobman.admin.badges import Badge
from celery_jobman.admin.page.wire import visible
from celery_jobman.models.batch import Kind, Stopping
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery_jobman.models import Batch


def called(batch: Batch) -> str:
    """Return a batch's name; one without a name is called by its kind."""
    return visible(batch.name) or _("%(kind)s %(id)s") % {
        "kind": kind_of(batch),
        "id": f"{str(batch.pk)[:8]}…",
    }


def kind_of(batch: Batch) -> str:
    """Return what a batch was written as."""
    return str(Kind(batch.kind).label) if batch.kind in Kind.values else visible(batch.kind)


def badge(batch: Batch) -> Badge:
    """Return the badge of a batch, which says more than its state while it is being ended."""
    if batch.state == State.RUNNING and batch.cancel_requested_at:
        return Badge("stopping", "warn", _("Cancelling"))
    if batch.state == State.RUNNING and batch.stopping == Stopping.FAILED:
        return Badge("stopping", "warn", _("Failing"))
    return badges.of_state(batch.state)
