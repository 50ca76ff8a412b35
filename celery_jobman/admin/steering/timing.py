"""Timing: the pages behind "Priority" and "Reschedule"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman import actions
from celery_jobman.admin.access import Deed
from celery_jobman.admin.steering.forms import PriorityFields, TimeFields, VerbForm
from celery_jobman.admin.steering.pages import VerbPage
from celery_jobman.insight.wording import at
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.http import HttpRequest

    from celery_jobman.models import Job


class PriorityForm(PriorityFields, VerbForm):
    """A priority for one job."""


class TimeForm(TimeFields, VerbForm):
    """A time for one job."""


class PriorityPage(VerbPage):
    """Let a waiting job go before others, or after them."""

    deed = Deed.PRIORITY
    title = gettext_lazy("Change the priority")
    submit = gettext_lazy("Change the priority")
    form_class = PriorityForm

    def initial(self, job: Job) -> dict[str, Any]:
        """Begin with what it has."""
        return {"priority": job.priority}

    def outlook(self, job: Job) -> list[str]:
        """Say what becomes of a message that was sent already."""
        if job.state == State.SCHEDULED:
            return [_("The job's message will be sent with this priority when it is due.")]
        return [
            _(
                "A broker cannot move a message that it holds. So the job's message is sent again"
                " with this priority, behind others of the same; the old one is dropped when it"
                " arrives."
            )
        ]

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Change it."""
        priority = data["priority"]
        actions.change_priority(job.pk, priority, actor=request.user, reason=data["reason"])
        if priority is None:
            return _("The job has the queue's own priority now.")
        return _("The job has priority %(priority)s now.") % {"priority": priority}


class ReschedulePage(VerbPage):
    """Give a waiting job another time."""

    deed = Deed.RESCHEDULE
    title = gettext_lazy("Reschedule the job")
    submit = gettext_lazy("Reschedule the job")
    form_class = TimeForm

    def outlook(self, job: Job) -> list[str]:
        """Say what it waits for now."""
        if job.state == State.SCHEDULED and job.available_at:
            text = _("It is scheduled for %(moment)s.")
            return [text % {"moment": at(job.available_at)}]
        return [_("The job's message is sent again; the old one is dropped when it arrives.")]

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Reschedule it."""
        moment = data["moment"]
        actions.reschedule(job.pk, moment, actor=request.user, reason=data["reason"])
        if moment <= timezone.now():
            return _("The job begins now.")
        return _("The job is scheduled for %(moment)s.") % {"moment": at(moment)}
