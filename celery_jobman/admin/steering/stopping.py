"""Stopping: the page behind "Cancel" and "Force"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman import actions
from celery_jobman.admin.access import Deed
from celery_jobman.admin.steering.forms import VerbForm
from celery_jobman.admin.steering.pages import VerbPage
from celery_jobman.conf import settings
from celery_jobman.insight.wording import lasting
from celery_jobman.models import Worker
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.http import HttpRequest

    from celery_jobman.models import Job

#: What happens at once, in each state in which a job waits.
WAITING = {
    State.SCHEDULED: gettext_lazy("The job is removed from the schedule at once."),
    State.BLOCKED: gettext_lazy("The job is cancelled at once, and waits no longer."),
    State.QUEUED: gettext_lazy(
        "The job is cancelled at once. Its message is dropped when it arrives at a worker."
    ),
}
#: What force means, in each kind of pool that has no process to kill.
KINDS = {
    "threads": gettext_lazy(
        "By force: the cancel is raised inside the body, at its next instruction of Python."
        " A thread cannot be killed."
    ),
    "solo": gettext_lazy(
        "By force: the cancel is raised inside the body, at its next instruction of Python."
        " The worker's only process is not killed."
    ),
    "gevent": gettext_lazy(
        "By force: the cancel is raised inside the body, when it next waits for something."
        " A greenlet cannot be killed."
    ),
}


class ForceForm(VerbForm):
    """Whether to wait for a checkpoint."""

    force = forms.BooleanField(
        label=gettext_lazy("By force: do not wait for a checkpoint"), required=False
    )


class LastForm(VerbForm):
    """Once it was asked to stop, there is nothing left but force."""

    force = forms.BooleanField(widget=forms.HiddenInput)


class CancelPage(VerbPage):
    """Cancel a waiting job, ask a running one to stop, or stop it by force."""

    deed = Deed.CANCEL
    title = gettext_lazy("Cancel the job")
    submit = gettext_lazy("Cancel the job")
    dangerous = True

    def form(self, job: Job, data: Any = None) -> VerbForm:
        """Ask about force while the job runs; once it was asked to stop, only force is left."""
        if job.state != State.RUNNING or job.eager:
            return super().form(job, data)
        asked = job.cancel_requested_at is not None
        standing = {"state": job.state, "attempt": job.attempt, "force": asked}
        return (LastForm if asked else ForceForm)(data, initial=standing)

    def button(self, job: Job) -> str:
        """Call it what it is."""
        asked = job.state == State.RUNNING and job.cancel_requested_at is not None
        return _("Stop by force") if asked and not job.eager else super().button(job)

    def outlook(self, job: Job) -> list[str]:
        """Say what the state and the kind of worker make of it."""
        if job.state != State.RUNNING:
            return [str(WAITING[State(job.state)])]
        if job.eager:
            return [_("The job is asked to stop, and stops at its next checkpoint.")]
        grace = {"grace": lasting(settings().cancel_grace)}
        if job.cancel_requested_at:
            text = _(
                "The job was asked to stop already. It is stopped by force %(grace)s after that"
                " request; here you need not wait for that."
            )
        else:
            text = _(
                "The job is asked to stop, and stops at its next checkpoint. If it has not stopped"
                " after %(grace)s, it is stopped by force."
            )
        return [text % grace, _by_force(job)]

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Cancel it."""
        force = data.get("force", False)
        reason = data["reason"]
        state = actions.cancel(job.pk, force=force, actor=request.user, reason=reason)
        if state == State.CANCELLED:
            return _("The job was cancelled.")
        if force:
            return _("The job is being stopped by force.")
        return _("The job was asked to stop.")


def _by_force(job: Job) -> str:
    worker = Worker.objects.filter(pk=job.worker_id).first() if job.worker_id else None
    pool = worker.pool.lower() if worker else ""
    for kind, text in KINDS.items():
        if kind in pool:
            return str(text)
    return _(
        "By force: the cancel is raised inside the body, and if that does not help within"
        " seconds, its process is killed (in a prefork pool only)."
    )
