"""Troubles in words: what could not be done for a job or a batch, and when it is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.insight.wording import ago, at, number
from celery_jobman.models import Duty, Trouble

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

#: What is said of a duty that is tried again.
_SENTENCES = {
    Duty.END: gettext_lazy("Its end could not be written"),
    Duty.BEGIN: gettext_lazy("A worker could not begin it"),
    Duty.RESCUE: gettext_lazy("It could not be taken back from a dead worker"),
    Duty.DISPATCH: gettext_lazy("It could not be sent"),
    Duty.REDELIVER: gettext_lazy("It could not be sent again"),
    Duty.CANCEL: gettext_lazy("It could not be stopped"),
    Duty.MEMBERS: gettext_lazy("Its members could not be released or cancelled"),
    Duty.PRUNE: gettext_lazy("It could not be deleted"),
}


def troubles(row_id: UUID, now: datetime, *, with_errors: bool = True) -> str:
    """Return what could not be done for a row; empty when all could.

    Args:
        row_id: The job or batch.
        now: Aware datetime to tell times by.
        with_errors: False: leave out what the errors said.
    """
    rows = list(Trouble.objects.of([row_id]))
    for each in rows:
        each.error = each.error.rstrip(".") if with_errors else _("(hidden)")
    return " ".join(_told(each, now) for each in rows)


def _told(trouble: Trouble, now: datetime) -> str:
    if trouble.again_at is None:
        return _("A part of its end is missing: %(error)s.") % {"error": trouble.error}
    values = {
        "what": str(_SENTENCES[Duty(trouble.duty)]),
        "since": at(trouble.since),
        "tries": number(trouble.tries),
        "error": trouble.error,
        "when": ago(trouble.again_at, now),
    }
    if trouble.again_at <= now:
        text = _(
            "%(what)s (tries since %(since)s: %(tries)s): %(error)s. It is tried again when its"
            " turn comes."
        )
    else:
        text = _(
            "%(what)s (tries since %(since)s: %(tries)s): %(error)s. It is tried again %(when)s."
        )
    return text % values
