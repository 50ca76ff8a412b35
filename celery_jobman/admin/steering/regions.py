"""The regions of a job's page with its buttons and with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery_jobman.admin.page.regions import Region
from celery_jobman.admin.steering import history
from celery_jobman.admin.steering.offers import obstacles, offers

if TYPE_CHECKING:
    from celery_jobman.admin.page.regions import Subject


def _buttons(subject: Subject) -> dict[str, Any]:
    found = offers(subject.admin, subject.request, subject.job)
    if not found:
        return {}
    reasons = obstacles(found)
    # Each button is described by the line with its reason.
    ids = {offer.slug: reason.slug for reason in reasons for offer in reason.offers}
    return {
        "offers": [(offer, ids.get(offer.slug, "")) for offer in found],
        "obstacles": reasons,
        "job": subject.job,
        "request": subject.request,
    }


def _history(subject: Subject) -> dict[str, Any]:
    events = history.of(subject.job)
    return {"events": events, "limit": history.LIMIT, "now": subject.now} if events else {}


BUTTONS: tuple[Region[Subject], ...] = (Region("buttons", _buttons),)
HISTORY: tuple[Region[Subject], ...] = (Region("history", _history),)
