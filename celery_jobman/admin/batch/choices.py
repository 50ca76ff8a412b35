"""Choices: the scopes of a retry, and what each would do to a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from celery_jobman import actions
from celery_jobman.admin.batch.scopes import SCOPES
from celery_jobman.exceptions import TransitionRefused
from celery_jobman.insight.wording import listed, number
from celery_jobman.models import Batch
from celery_jobman.models.job import Role

if TYPE_CHECKING:
    from celery_jobman.core.resumption import Plan

#: Members of a workflow up to which a page finds out what would run again; more take seconds.
PLANNED = 10_000
#: What is said of a scope where nothing can be retried.
NOTHING = {
    "failed": gettext_lazy("Nothing in it has failed."),
    "following": gettext_lazy("Nothing in it has failed, or what follows has not ended."),
    "all": gettext_lazy("This is possible once all of it has ended."),
}


class Choice(NamedTuple):
    """A scope, and what it means now."""

    value: str
    label: str
    #: Whether it may be chosen; ``why`` says why not, or why nothing more is known of it.
    possible: bool
    #: None where it is not known what would be done, or nothing can be.
    plan: Plan | None = None
    why: str = ""

    @property
    def callbacks(self) -> str:
        """Which callbacks run again."""
        return called_again(self.plan) if self.plan else ""


def choices(batch: Batch) -> list[Choice]:
    """Return all scopes, and what each would do."""
    if _is_large(batch):
        return [_unplanned(batch, scope, str(label)) for scope, label in SCOPES.items()]
    return [_planned(batch, scope, str(label)) for scope, label in SCOPES.items()]


def has_failures(batch: Batch) -> bool:
    """Whether anything in a batch has failed, or else in its workflow; its page tells apart."""
    if batch.failed:
        return True
    return Batch.objects.filter(root_id=batch.root_id, failed__gt=0).exists()


def called_again(plan: Plan) -> str:
    """Return which callbacks run again, in words."""
    return listed(str(Role(name).label) for name in plan.callbacks) if plan.callbacks else ""


def _is_large(batch: Batch) -> bool:
    whole = Batch.objects.filter(root_id=batch.root_id).aggregate(members=Sum("total"))
    return (whole["members"] or 0) > PLANNED


def _planned(batch: Batch, scope: str, label: str) -> Choice:
    try:
        return Choice(scope, label, possible=True, plan=actions.plan_batch_retry(batch.pk, scope))
    except TransitionRefused:
        return Choice(scope, label, possible=False, why=str(NOTHING[scope]))


def _unplanned(batch: Batch, scope: str, label: str) -> Choice:
    """Return a scope of a large workflow: what it would do is found out when it is done."""
    if not (batch.is_final if scope == "all" else has_failures(batch)):
        return Choice(scope, label, possible=False, why=str(NOTHING[scope]))
    told = (_known(batch, scope), _("A workflow this large is counted when it is retried."))
    return Choice(scope, label, possible=True, why=" ".join(filter(None, told)))


def _known(batch: Batch, scope: str) -> str:
    """Return the number that the batch itself has of what would run again."""
    if scope == "all":
        text = ngettext("%(count)s member.", "%(count)s members.", batch.total)
        return text % {"count": number(batch.total)}
    text = ngettext("%(count)s member failed.", "%(count)s members failed.", batch.failed)
    return text % {"count": number(batch.failed)} if batch.failed else ""
