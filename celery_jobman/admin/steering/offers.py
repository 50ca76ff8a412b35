"""Offers: the verbs that a job's page offers to a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.routes import address
from celery_jobman.admin.steering.rules import why_not
from celery_jobman.insight.wording import listed
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise

    from celery_jobman.models import Job


class Offer(NamedTuple):
    """One button."""

    deed: Deed
    label: str
    #: Address of the verb's page.
    href: str
    enabled: bool
    #: Why it is not enabled; empty when it is.
    why: str
    #: A click does it at once; otherwise it leads to a page.
    direct: bool = False

    @property
    def slug(self) -> str:
        """Return a part of the element's id."""
        return str(self.deed)


class Verb(NamedTuple):
    """How the screens call a verb, and the name of its address."""

    label: _StrPromise
    route: str


#: The buttons, in order.  Dots announce a page with questions.
VERBS: Final = {
    Deed.CANCEL: Verb(gettext_lazy("Cancel…"), "cancel"),
    Deed.RETRY: Verb(gettext_lazy("Retry"), "retry"),
    Deed.RETRY_FROM: Verb(gettext_lazy("Retry from step…"), "retry_from"),
    Deed.EDIT_RETRY: Verb(gettext_lazy("Edit and retry…"), "edit_retry"),
    Deed.PRIORITY: Verb(gettext_lazy("Priority…"), "priority"),
    Deed.RESCHEDULE: Verb(gettext_lazy("Reschedule…"), "reschedule"),
}


class Button(Protocol):
    """What a button with a reason tells."""

    @property
    def slug(self) -> str:
        """A part of the element's id."""

    @property
    def label(self) -> str:
        """What it says."""

    @property
    def enabled(self) -> bool:
        """Whether the state allows it."""

    @property
    def why(self) -> str:
        """Why not."""


class Obstacle(NamedTuple):
    """Why some buttons are not enabled."""

    why: str
    #: They themselves.
    offers: list[Button]

    @property
    def slug(self) -> str:
        """Return a part of the element's id."""
        return self.offers[0].slug

    @property
    def labels(self) -> str:
        """Return how the buttons are called."""
        return listed(offer.label.removesuffix("…") for offer in self.offers)


def obstacles(offers: Iterable[Button]) -> list[Obstacle]:
    """Return each reason once, with the buttons that are not enabled for it."""
    found: dict[str, Obstacle] = {}
    for offer in offers:
        if not offer.enabled:
            found.setdefault(offer.why, Obstacle(offer.why, [])).offers.append(offer)
    return list(found.values())


def offers(admin: ModelAdmin[Any], request: HttpRequest, job: Job) -> list[Offer]:
    """Return the verbs that the user has permission for, and whether the job's state allows them.

    A verb without permission is not in the list; one that the state forbids is, and says why.
    """
    return [offer(admin, job, deed) for deed in VERBS if may(request.user, deed, job)]


def offer(admin: ModelAdmin[Any], job: Job, deed: Deed) -> Offer:
    """Return one verb as the job's state allows it."""
    why = why_not(job, deed)
    href = address(admin, VERBS[deed].route, pk=job.pk)
    direct = deed == Deed.RETRY and job.state == State.FAILED
    return Offer(deed, _label(job, deed), href, enabled=not why, why=why, direct=direct)


def _label(job: Job, deed: Deed) -> str:
    if deed == Deed.CANCEL and job.state == State.RUNNING and job.cancel_requested_at:
        return _("Force…")
    if deed == Deed.RETRY and job.state != State.FAILED:
        return _("Retry…")
    return str(VERBS[deed].label)
