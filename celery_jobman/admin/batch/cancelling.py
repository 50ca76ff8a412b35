"""Cancelling: the page behind "Cancel remaining"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from celery_jobman import actions
from celery_jobman.admin.access import Deed
from celery_jobman.admin.batch.verbs import VerbPage
from celery_jobman.insight.wording import number
from celery_jobman.models.batch import Stopping
from celery_jobman.states import State

if TYPE_CHECKING:
    from celery_jobman.admin.batch.verbs import Case
    from celery_jobman.models import Batch


def why_not(batch: Batch) -> str:
    """Return why a batch cannot be cancelled; empty when it can."""
    if batch.is_final:
        return _("It has ended already.")
    if batch.stopping == Stopping.CANCELLED:
        return _("It is being cancelled already.")
    return ""


class CancelPage(VerbPage):
    """Cancel what waits in a batch, and ask what runs to stop."""

    deed = Deed.CANCEL_BATCH
    title = gettext_lazy("Cancel what remains")
    dangerous = True

    def why_not(self, case: Case) -> str:
        """Say what its state forbids."""
        return why_not(case.batch)

    def outlook(self, case: Case) -> list[str]:
        """Say what becomes of the members, of what follows and of the callbacks."""
        pending, ended = case.batch.pending, case.batch.ended
        text = ngettext(
            "%(count)s member has not ended: if it waits, it is cancelled, and if it runs, it is"
            " asked to stop at its next checkpoint.",
            "%(count)s members have not ended: those that wait are cancelled, and those that run"
            " are asked to stop at their next checkpoint.",
            pending,
        )
        kept = ngettext(
            "%(count)s member has ended and keeps its result.",
            "%(count)s members have ended and keep their results.",
            ended,
        )
        sentences = [text % {"count": number(pending)}, kept % {"count": number(ended)}]
        sentences.append(
            _("Batches inside it are cancelled too, and links that follow it are skipped.")
        )
        sentences.append(_("What was cancelled can be retried later."))
        return sentences

    def act(self, case: Case, data: dict[str, Any]) -> str:
        """Cancel it."""
        user, reason = case.request.user, data["reason"]
        state = actions.cancel_batch(case.batch.pk, actor=user, reason=reason)
        if state == State.RUNNING:
            return _("The batch is being cancelled.")
        return _("The batch was cancelled.")
