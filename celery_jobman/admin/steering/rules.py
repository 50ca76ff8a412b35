"""Rules: in which states a job lets each verb happen, and why not in the others."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from celery_jobman.admin.access import Deed
from celery_jobman.models import Job, Step
from celery_jobman.runtime import registry
from celery_jobman.states import FINAL, WAITING, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Longest arguments that a form takes, in characters of JSON.
LONGEST: Final = 1_000_000


def why_not(job: Job, deed: Deed) -> str:
    """Return why a job's state does not allow a verb; empty when it does."""
    return _RULES[deed](job)


def _cancel(job: Job) -> str:
    if job.state in FINAL:
        return _("It has ended already.")
    if job.observed:
        return _("A plain task is only watched; stop it with Celery's own revoke.")
    if job.state not in WAITING and job.cancel_forced:
        return _("It is being stopped by force already.")
    if job.state == State.RUNNING and job.cancel_requested_at and job.eager:
        return _("It runs inside the process that called it, and stops at its next checkpoint.")
    return ""


def _retry(job: Job) -> str:
    if job.state in FINAL:
        return ""
    return _("Retry is possible once the job has ended.")


def _retry_from(job: Job) -> str:
    if job.state not in FINAL:
        return _retry(job)
    if job.declared_steps or Step.objects.filter(job_id=job.pk, superseded=0).exists():
        return ""
    return _("It has no steps.")


def _edit_retry(job: Job) -> str:
    if job.state not in FINAL:
        return _retry(job)
    if job.observed:
        return _("A plain task is only watched; its arguments cannot be edited.")
    if registry.find(job.task) is None:
        return _("Its task is not registered here, so arguments cannot be checked.")
    rows = Job.objects.filter(pk=job.pk).annotate(a=Length("args"), k=Length("kwargs"))
    if rows.filter(Q(a__gt=LONGEST) | Q(k__gt=LONGEST)).exists():
        return _("Its arguments are longer than 1 MB, too long for a form.")
    return ""


def _move(job: Job) -> str:
    if job.state not in {State.SCHEDULED, State.QUEUED}:
        return _("This is possible only while the job is scheduled or queued.")
    if job.observed:
        return _("A plain task is only watched; its message cannot be taken back.")
    if job.eager:
        return _("It runs inside the process that called it, and has no message.")
    return ""


def _forget(job: Job) -> str:
    if job.state in FINAL:
        return ""
    return _("Cancel it first, or wait for its end.")


_RULES: Final[Mapping[Deed, Callable[[Job], str]]] = MappingProxyType(
    {
        Deed.CANCEL: _cancel,
        Deed.RETRY: _retry,
        Deed.RETRY_FROM: _retry_from,
        Deed.EDIT_RETRY: _edit_retry,
        Deed.PRIORITY: _move,
        Deed.RESCHEDULE: _move,
        Deed.FORGET: _forget,
    }
)
