"""Offers: the buttons of a batch's page, and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celery_jobman.admin.access import Deed
from celery_jobman.admin.batch import cancelling, retrying
from celery_jobman.admin.batch.choices import has_failures
from celery_jobman.admin.routes import address
from celery_jobman.admin.steering import history
from celery_jobman.admin.steering.offers import obstacles
from celery_jobman.insight.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery_jobman.admin.batch.regions import Subject
    from celery_jobman.models import Batch


class Offer(NamedTuple):
    """One button; it leads to a page with questions."""

    slug: str
    label: str
    href: str
    #: Why the state forbids it; empty when it does not.
    why: str = ""

    @property
    def enabled(self) -> bool:
        """Whether the state allows it."""
        return not self.why


def buttons(subject: Subject) -> dict[str, Any]:
    """Return the verbs that the user has permission for, and whether the state allows them."""
    found = [*_cancel(subject), *_retries(subject)]
    if not found:
        return {}
    reasons = obstacles(found)
    # Each button is described by the line with its reason.
    ids = {offer.slug: reason.slug for reason in reasons for offer in reason.offers}
    return {"offers": [(offer, ids.get(offer.slug, "")) for offer in found], "obstacles": reasons}


def past(subject: Subject) -> dict[str, Any]:
    """Return what people did to the batch."""
    events = history.of(subject.batch)
    return {"events": events, "limit": history.LIMIT} if events else {}


def _cancel(subject: Subject) -> Iterator[Offer]:
    if subject.may(Deed.CANCEL_BATCH):
        href = address(subject.admin, "cancel", pk=subject.batch.pk)
        yield Offer("cancel", _("Cancel remaining…"), href, cancelling.why_not(subject.batch))


def _retries(subject: Subject) -> Iterator[Offer]:
    batch = subject.batch
    if not subject.may(Deed.RETRY_BATCH):
        return
    href, closed = address(subject.admin, "retry", pk=batch.pk), retrying.why_not(batch)
    why_failed = closed or ("" if has_failures(batch) else _("No member has failed."))
    why_all = closed if batch.is_final else _("Its members have not all ended.")
    yield Offer("retry-failed", _failed(batch), f"{href}?scope=failed", why_failed)
    yield Offer("retry-all", _("Retry all…"), f"{href}?scope=all", why_all)
    if batch.batch_id is not None:
        parts = {"pk": batch.batch_id, "member": batch.pk}
        why = "" if batch.is_final else _("It has not ended.")
        yield Offer(
            "retry-from", _("Retry from here…"), address(subject.admin, "retry_from", **parts), why
        )


def _failed(batch: Batch) -> str:
    if not batch.failed:
        return _("Retry failed…")
    text = ngettext("Retry %(count)s failed…", "Retry %(count)s failed…", batch.failed)
    return text % {"count": number(batch.failed)}
