"""Sweeps: one verb done to many jobs, and what is said of it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from celery_jobman import actions
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.steering.forms import PriorityFields, ReasonForm, TimeFields
from celery_jobman.admin.steering.rules import why_not
from celery_jobman.admin.steering.selection import has_moved
from celery_jobman.exceptions import JobmanError
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from django.http import HttpRequest

    from celery_jobman.models import Job

    Do = Callable[[Job, dict[str, Any]], object]

#: From how many jobs on their number must be typed, and no job gets an entry in Django's log.
MANY = 100
#: Seconds after which what is left is left for another time, so that the request ends.
PATIENCE = 20.0


class BulkForm(ReasonForm):
    """What every bulk action asks for, and what its page said."""

    seen = forms.DateTimeField(widget=forms.HiddenInput)
    expected = forms.IntegerField(widget=forms.HiddenInput)
    number = forms.IntegerField(
        label=gettext_lazy("Type the number of jobs to confirm"),
        widget=forms.NumberInput(attrs={"class": "jm-field", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, count: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count = count
        if count <= MANY:
            del self.fields["number"]

    def clean_number(self) -> int:
        """Compare it with what is there."""
        number: int = self.cleaned_data["number"]
        if number != self.count:
            raise forms.ValidationError(_("This is not the number of jobs."))
        return number


class BulkRetryForm(BulkForm):
    """Whether jobs that succeeded are meant, too."""

    succeeded = forms.BooleanField(
        label=gettext_lazy("Also run jobs again that succeeded"), required=False
    )


class BulkTimeForm(TimeFields, BulkForm):
    """A time for many jobs."""


class BulkPriorityForm(PriorityFields, BulkForm):
    """A priority for many jobs."""


class Sweep(NamedTuple):
    """A verb for many jobs."""

    deed: Deed
    #: Question and button, with ``%(count)s``.
    title: Any
    #: Told afterwards, with ``%(count)s``.
    done: Any
    do: Do
    form: type[BulkForm] = BulkForm


class Tally(NamedTuple):
    """What became of the jobs."""

    done: list[Job]
    #: Reasons, and how many jobs were left alone for each.
    skipped: Counter[str]
    #: Jobs that there was no time for.
    left: int


def _cancel(job: Job, data: dict[str, Any]) -> None:
    actions.cancel(job.pk, actor=data["actor"], reason=data["reason"])


def _retry(job: Job, data: dict[str, Any]) -> None:
    actions.retry(
        job.pk,
        attempt=job.attempt,
        confirm_succeeded=data["succeeded"],
        actor=data["actor"],
        reason=data["reason"],
    )


def _reschedule(job: Job, data: dict[str, Any]) -> None:
    moment = data["moment"]
    actions.reschedule(job.pk, moment, actor=data["actor"], reason=data["reason"])


def _change_priority(job: Job, data: dict[str, Any]) -> None:
    priority = data["priority"]
    actions.change_priority(job.pk, priority, actor=data["actor"], reason=data["reason"])


def _forget(job: Job, data: dict[str, Any]) -> None:
    actions.forget(job.pk, actor=data["actor"], reason=data["reason"])


CANCEL = Sweep(
    Deed.CANCEL,
    ngettext_lazy("Cancel %(count)s job", "Cancel %(count)s jobs", "count"),
    ngettext_lazy("%(count)s cancelled", "%(count)s cancelled", "count"),
    _cancel,
)
RETRY = Sweep(
    Deed.RETRY,
    ngettext_lazy("Retry %(count)s job", "Retry %(count)s jobs", "count"),
    ngettext_lazy("%(count)s retried", "%(count)s retried", "count"),
    _retry,
    BulkRetryForm,
)
RESCHEDULE = Sweep(
    Deed.RESCHEDULE,
    ngettext_lazy("Reschedule %(count)s job", "Reschedule %(count)s jobs", "count"),
    ngettext_lazy("%(count)s rescheduled", "%(count)s rescheduled", "count"),
    _reschedule,
    BulkTimeForm,
)
PRIORITY = Sweep(
    Deed.PRIORITY,
    ngettext_lazy(
        "Change the priority of %(count)s job", "Change the priority of %(count)s jobs", "count"
    ),
    ngettext_lazy("%(count)s given the priority", "%(count)s given the priority", "count"),
    _change_priority,
    BulkPriorityForm,
)
FORGET = Sweep(
    Deed.FORGET,
    ngettext_lazy("Delete %(count)s job for good", "Delete %(count)s jobs for good", "count"),
    ngettext_lazy("%(count)s deleted", "%(count)s deleted", "count"),
    _forget,
)


def run(sweep: Sweep, request: HttpRequest, jobs: Iterable[Job], data: dict[str, Any]) -> Tally:
    """Do a verb to jobs, one after the other; leave alone what it does not fit any more."""
    done: list[Job] = []
    skipped: Counter[str] = Counter()
    given = {"succeeded": False, **data, "actor": request.user}
    waiting, until = list(jobs), time.monotonic() + PATIENCE
    while waiting and time.monotonic() < until:
        job = waiting.pop(0)
        why = _obstacle(sweep, request, job, given) or _try(sweep, job, given)
        if why:
            skipped[why] += 1
        else:
            done.append(job)
    return Tally(done, skipped, len(waiting))


def _obstacle(sweep: Sweep, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
    seen: datetime = data["seen"]
    if not may(request.user, sweep.deed, job):
        return _("not permitted")
    if has_moved(job, seen):
        return _already(job.state)
    if sweep.deed == Deed.RETRY and job.state == State.SUCCEEDED and not data["succeeded"]:
        return _already(job.state)
    return why_not(job, sweep.deed).removesuffix(".")


def _try(sweep: Sweep, job: Job, data: dict[str, Any]) -> str:
    try:
        sweep.do(job, data)
    except JobmanError as error:
        state = getattr(error, "state", "")
        return _already(state) if state else _("gone")
    return ""


def _already(state: str) -> str:
    return _("already %(state)s") % {"state": str(State(state).label).lower()}


def told(sweep: Sweep, tally: Tally) -> str:
    """Return what became of the jobs: ``84 retried, 2 skipped (already running)``."""
    parts = [str(sweep.done % {"count": len(tally.done)})]
    if tally.skipped:
        why = "; ".join(reason for reason, _count in tally.skipped.most_common(3))
        count = tally.skipped.total()
        parts.append(_("%(count)s skipped (%(why)s)") % {"count": count, "why": why})
    if tally.left:
        text = _("%(count)s not reached in time, ask again for them")
        parts.append(text % {"count": tally.left})
    return ", ".join(parts)


def log(sweep: Sweep, request: HttpRequest, tally: Tally) -> None:
    """Write the entries that Django's own history shows, unless they are too many."""
    if 0 < len(tally.done) <= MANY:
        flag = DELETION if sweep.deed == Deed.FORGET else CHANGE
        text = told(sweep, tally)
        LogEntry.objects.log_actions(str(request.user.pk), tally.done, flag, text)
