"""Retrying: the pages behind "Retry" and "Retry from step"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.db.models.functions import Length
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman import actions
from celery_jobman.admin.access import Deed
from celery_jobman.admin.steering.forms import VerbForm
from celery_jobman.admin.steering.pages import VerbPage
from celery_jobman.insight.wording import lasting, listed
from celery_jobman.models import Step, StepState
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.http import HttpRequest

    from celery_jobman.models import Job

#: With more steps than this, what each choice means is not worked out.
PLANNED = 40
#: States of a step at which a retry most likely begins.
OPEN = frozenset({StepState.FAILED, StepState.RUNNING, StepState.REPLAYING})


class ConfirmForm(VerbForm):
    """Asked of a job that succeeded."""

    confirm = forms.BooleanField(
        label=gettext_lazy("Run it again although it succeeded"),
        error_messages={"required": gettext_lazy("Confirm that the job shall run again.")},
    )


class RetryPage(VerbPage):
    """Run a job again; its checkpoints are reused."""

    deed = Deed.RETRY
    title = gettext_lazy("Retry the job")
    submit = gettext_lazy("Retry the job")

    def form(self, job: Job, data: Any = None) -> VerbForm:
        """Ask twice if the job succeeded."""
        if job.state != State.SUCCEEDED:
            return super().form(job, data)
        return ConfirmForm(data, initial={"state": job.state, "attempt": job.attempt})

    def outlook(self, job: Job) -> list[str]:
        """Say what is reused, and what runs."""
        plan = actions.plan_retry(job.pk)
        number = {"number": job.attempt + 1}
        sentences = [_("The same job runs again, as attempt %(number)s.") % number]
        if plan.reused:
            text = _("The results of these steps are reused: %(steps)s.")
            sentences.append(text % {"steps": listed(plan.reused)})
        if plan.again:
            text = _("These steps run: %(steps)s.")
            sentences.append(text % {"steps": listed(plan.again)})
        return sentences

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Retry it."""
        actions.retry(
            job.pk,
            attempt=job.attempt,
            confirm_succeeded=data.get("confirm", False),
            actor=request.user,
            reason=data["reason"],
        )
        return _("The job runs again.")


class Choice(NamedTuple):
    """One step at which the job may start again."""

    name: str
    word: str
    #: How long it took; empty when it did not run.
    lasted: str
    #: How much it saved; empty when nothing.
    kept: str
    #: What starting here would mean; empty when it was not worked out.
    meaning: str
    is_open: bool


class StepForm(VerbForm):
    """Where to start again."""

    step = forms.ChoiceField(label=gettext_lazy("Start again at"), widget=forms.RadioSelect)


class RewindPage(VerbPage):
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
        field.choices = [(name, name) for name in names]
        form.initial["step"] = _likely(job, names)
        return form

    def outlook(self, job: Job) -> list[str]:
        """Say what starting at a step means."""
        text = _(
            "Steps before it are reused with their stored results; this step and later ones run"
            " again, as attempt %(number)s of this job."
        )
        return [text % {"number": job.attempt + 1}]

    def warnings(self, job: Job) -> list[str]:
        """Say what jobman cannot undo."""
        sentences = [
            _("What these steps did outside, such as sending mail, may happen a second time.")
        ]
        if job.state == State.SUCCEEDED:
            sentences.append(_("This job succeeded."))
        return sentences

    def context(self, job: Job, form: VerbForm) -> dict[str, Any]:
        """Return the steps with what they did."""
        chosen = form["step"].value()
        rows = _choices(job)
        return {"choices": rows, "chosen": chosen}

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Rewind it."""
        step = data["step"]
        actions.retry_from(
            job.pk, step, attempt=job.attempt, actor=request.user, reason=data["reason"]
        )
        return _("The job runs again from step %(step)s.") % {"step": step}


def steps_of(job: Job) -> list[str]:
    """Return the names of a job's steps: those it declares, then others that it ran."""
    ran = Step.objects.filter(job_id=job.pk, superseded=0).order_by("position")
    return list(dict.fromkeys([*job.declared_steps, *ran.values_list("name", flat=True)]))


def _rows(job: Job) -> dict[str, Any]:
    rows = Step.objects.filter(job_id=job.pk, superseded=0).annotate(size=Length("result"))
    return {row.name: row for row in rows.defer("result", "cursor", "skipped", "error_message")}


def _likely(job: Job, names: list[str]) -> str:
    """Return the step that failed; else the first that has not ended; else the last."""
    rows = _rows(job)
    broken = [name for name in names if name in rows and rows[name].state in OPEN]
    ended = {name for name, row in rows.items() if row.state == StepState.SUCCEEDED}
    unfinished = [name for name in names if name not in ended]
    return next(iter([*broken, *unfinished, *names[-1:]]), "")


def _choices(job: Job) -> list[Choice]:
    names, rows = steps_of(job), _rows(job)
    planned = len(names) <= PLANNED
    return [_choice(job, name, rows.get(name), planned=planned) for name in names]


def _choice(job: Job, name: str, row: Any, *, planned: bool) -> Choice:
    meaning = _meaning(job, name) if planned else ""
    if row is None:
        return Choice(name, _("Not run"), "", "", meaning, is_open=True)
    ended = row.finished_at
    return Choice(
        name=name,
        word=str(StepState(row.state).label),
        lasted=lasting(ended - row.started_at) if ended else "",
        kept=filesizeformat(row.size) if row.size else "",
        meaning=meaning,
        is_open=row.state != StepState.SUCCEEDED,
    )


def _meaning(job: Job, name: str) -> str:
    plan = actions.plan_retry(job.pk, name)
    values = {"reused": listed(plan.reused), "again": listed(plan.again)}
    return _("Reuses %(reused)s; runs %(again)s.") % values
