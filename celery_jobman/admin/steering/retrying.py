"""Retrying: the pages behind "Retry" and "Retry from step"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman import actions
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.steering.choices import likely, offered, shown, steps_of
from celery_jobman.admin.steering.forms import TermsFields, VerbForm
from celery_jobman.admin.steering.pages import VerbPage
from celery_jobman.insight.wording import at
from celery_jobman.models import Queue
from celery_jobman.runtime import registry
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

    from celery_jobman.models import Job

#: Most queues that can be chosen.
QUEUES = 200


class RetryForm(TermsFields, VerbForm):
    """When, where and how urgently."""


class ConfirmForm(RetryForm):
    """Asked of a job that succeeded."""

    confirm = forms.BooleanField(
        label=gettext_lazy("Run it again although it succeeded"),
        error_messages={"required": gettext_lazy("Confirm that the job shall run again.")},
    )


class StepForm(RetryForm):
    """Where to start again."""

    step = forms.ChoiceField(label=gettext_lazy("Start again at"), widget=forms.RadioSelect)

    field_order = ("step",)


class _Again(VerbPage):
    """What both pages ask, and how they say that it was done."""

    form_class = RetryForm

    def form(self, job: Job, data: Any = None) -> VerbForm:
        """Offer the queues that there are."""
        form = super().form(job, data)
        field: Any = form.fields["queue"]
        names = Queue.objects.values_list("name", flat=True)[:QUEUES]
        field.choices = [(name, visible(name)) for name in dict.fromkeys([job.queue, *names])]
        return form

    def initial(self, job: Job) -> dict[str, Any]:
        """Begin with what the job has."""
        return {"queue": job.queue, "priority": job.priority}

    def _how(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> dict[str, Any]:
        """Return what both verbs are told."""
        return {
            "attempt": job.attempt,
            "when": data["moment"],
            "queue": data["queue"] or None,
            "priority": data["priority"],
            "actor": request.user,
            "reason": data["reason"],
        }


def _later(data: dict[str, Any]) -> str:
    """Return when the job runs, when that is not now."""
    moment = data["moment"]
    return at(moment) if moment > timezone.now() else ""


class RetryPage(_Again):
    """Run a job again; its checkpoints are reused."""

    deed = Deed.RETRY
    title = gettext_lazy("Retry the job")
    submit = gettext_lazy("Retry the job")
    form_class = ConfirmForm

    def form(self, job: Job, data: Any = None) -> VerbForm:
        """Ask twice if the job succeeded."""
        form = super().form(job, data)
        if job.state != State.SUCCEEDED:
            del form.fields["confirm"]
        return form

    def outlook(self, job: Job) -> list[str]:
        """Say what is reused, and what runs."""
        plan = actions.plan_retry(job.pk)
        number = {"number": job.attempt + 1}
        sentences = [_("The same job runs again, as attempt %(number)s.") % number]
        if plan.reused:
            text = _("The results of these steps are reused: %(steps)s.")
            sentences.append(text % {"steps": shown(plan.reused)})
        if plan.again:
            text = _("These steps run: %(steps)s.")
            sentences.append(text % {"steps": shown(plan.again)})
        return sentences

    def warnings(self, job: Job) -> list[str]:
        """Say what the steps that run do outside, as far as the task declares it."""
        return _outside(job, actions.plan_retry(job.pk).again)

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Retry it."""
        confirmed = data.get("confirm", False)
        actions.retry(job.pk, confirm_succeeded=confirmed, **self._how(request, job, data))
        if moment := _later(data):
            return _("The job runs again at %(moment)s.") % {"moment": moment}
        return _("The job runs again.")


class RewindPage(_Again):
    """Run a job again from a step."""

    deed = Deed.RETRY_FROM
    title = gettext_lazy("Retry the job from a step")
    submit = gettext_lazy("Retry from this step")
    template = "steer/rewind.html"
    form_class = StepForm

    def form(self, job: Job, data: Any = None) -> VerbForm:
        """Offer the steps that the job has or declares."""
        form = super().form(job, data)
        field: Any = form.fields["step"]
        names = steps_of(job)
        field.choices = [(name, visible(name)) for name in names]
        form.initial["step"] = likely(job, names)
        return form

    def outlook(self, job: Job) -> list[str]:
        """Say what starting at a step means."""
        text = _(
            "Steps before the chosen one are reused with their stored results; it and later ones"
            " run again, as attempt %(number)s of this job."
        )
        return [text % {"number": job.attempt + 1}]

    def warnings(self, job: Job) -> list[str]:
        """Say what jobman cannot undo."""
        unknown = _("What these steps did outside, such as sending mail, may happen a second time.")
        sentences = _outside(job, steps_of(job)) or [unknown]
        if job.state == State.SUCCEEDED:
            sentences.append(_("This job succeeded."))
        return sentences

    def context(self, request: HttpRequest, job: Job, form: VerbForm) -> dict[str, Any]:
        """Return the steps with what they did."""
        errors = may(request.user, Deed.VIEW_LOG, job)
        return {"choices": offered(job, errors=errors), "chosen": form["step"].value()}

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Rewind it."""
        step = {"step": visible(data["step"])}
        actions.retry_from(job.pk, data["step"], **self._how(request, job, data))
        if moment := _later(data):
            text = _("The job runs again from step %(step)s at %(moment)s.")
            return text % {**step, "moment": moment}
        return _("The job runs again from step %(step)s.") % step


def _outside(job: Job, steps: Iterable[str]) -> list[str]:
    text = _("If step %(step)s runs again, this may happen a second time: %(effect)s.")
    effects = registry.effects(job.task, steps)
    return [
        text % {"step": visible(step), "effect": visible(effect)}
        for step, effect in effects.items()
    ]
