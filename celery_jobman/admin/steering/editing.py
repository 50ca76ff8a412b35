"""Editing: the page behind "Edit and retry"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman import actions
from celery_jobman.admin.access import Deed
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.refusals import told
from celery_jobman.admin.steering.arguments import differences, read, written
from celery_jobman.admin.steering.choices import steps_of
from celery_jobman.admin.steering.forms import VerbForm, field
from celery_jobman.admin.steering.pages import VerbPage
from celery_jobman.admin.steering.rules import LONGEST
from celery_jobman.core.redaction import MASK, editable, unmasked
from celery_jobman.exceptions import JobmanError
from celery_jobman.models import Job
from celery_jobman.models.ids import uuid7
from celery_jobman.runtime import signatures
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.http import HttpRequest

SALT = "celery_jobman.admin.steering.editing"
TOO_LONG = gettext_lazy("This is longer than 1 MB, too long for a form.")


def _text(label: Any) -> forms.CharField:
    widget = forms.Textarea(attrs=field(rows=12, spellcheck="false", autocomplete="off"))
    return forms.CharField(
        label=label,
        max_length=LONGEST,
        strip=False,
        widget=widget,
        error_messages={"max_length": TOO_LONG},
    )


class EditForm(VerbForm):
    """New arguments for an old job."""

    job: Job

    args = _text(gettext_lazy("Positional arguments, as JSON"))
    kwargs = _text(gettext_lazy("Keyword arguments, as JSON"))
    from_step = forms.ChoiceField(
        label=gettext_lazy("Begin"),
        help_text=gettext_lazy(
            "Steps before it are reused with the results that the old arguments led to."
        ),
        required=False,
        widget=forms.Select(attrs=field()),
    )
    addressed = forms.BooleanField(
        label=gettext_lazy("Mark the old failure as addressed"),
        help_text=gettext_lazy("The old job then names the new one, as what it was retried as."),
        required=False,
        initial=True,
    )
    #: The new job's id, signed, so that a form sent twice makes one job.
    token = forms.CharField(widget=forms.HiddenInput)

    def clean_args(self) -> Any:
        """Read them; masked values keep what is stored."""
        return self._stored("args", list, 0)

    def clean_kwargs(self) -> Any:
        """Read them, as above."""
        return self._stored("kwargs", dict, 1)

    def _stored(self, name: str, kind: type, which: int) -> Any:
        edited = read(self.cleaned_data[name], kind)
        try:
            return unmasked(edited, self.job.arguments[which], name)
        except JobmanError as error:
            raise ValidationError(told(error)) from error

    def clean_token(self) -> UUID:
        """Return the id that the new job will have."""
        try:
            job_id, new_id = signing.loads(self.cleaned_data["token"], salt=SALT)
        except (signing.BadSignature, ValueError, TypeError) as error:
            raise ValidationError(_("This form is not ours; open the page again.")) from error
        if job_id != str(self.job.pk):
            raise ValidationError(_("This form belongs to another job; open the page again."))
        return UUID(new_id)

    def clean(self) -> dict[str, Any]:
        """Bind the arguments to the task's signature."""
        data = super().clean() or {}
        if "args" in data and "kwargs" in data:
            try:
                signatures.bind(self.job, data["args"], data["kwargs"])
            except JobmanError as error:
                self.add_error(None, told(error))
        return data


class EditPage(VerbPage):
    """Make a new job from an old one, with other arguments."""

    deed = Deed.EDIT_RETRY
    title = gettext_lazy("Edit the arguments and retry")
    submit = gettext_lazy("Retry with new arguments")
    template = "steer/edit.html"
    form_class = EditForm

    def form(self, job: Job, data: Any = None) -> VerbForm:
        """Bring the form to the job."""
        form = super().form(job, data)
        self._prepare(form, job)
        return form

    def _prepare(self, form: Any, job: Job) -> None:
        form.job = job
        steps = [(name, visible(name)) for name in steps_of(job)]
        form.fields["from_step"].choices = [("", _("From the beginning")), *steps]
        if not steps:
            del form.fields["from_step"]
        if job.state != State.FAILED:
            del form.fields["addressed"]

    def initial(self, job: Job) -> dict[str, Any]:
        """Begin with the stored arguments, masked, and an id for the new job."""
        args, kwargs = job.arguments
        token = signing.dumps([str(job.pk), str(uuid7())], salt=SALT)
        shown = {"args": written(editable(args)), "kwargs": written(editable(kwargs))}
        return {**shown, "token": token}

    def outlook(self, job: Job) -> list[str]:
        """Say that the old job stays, and what masks are."""
        sentences = [
            _("A new job is made and linked to this one; this one stays as it is."),
            _("Its task stays %(task)s.") % {"task": visible(job.task)},
        ]
        if job.is_linked:
            sentences.append(
                _("It stands alone: nothing in the workflow of this one waits for it.")
            )
        if any(MASK in written(editable(part)) for part in job.arguments):
            text = _("Values shown as %(mask)s are hidden; left alone, they keep what is stored.")
            sentences.append(text % {"mask": MASK})
        return sentences

    def only_checks(self, request: HttpRequest) -> bool:
        """The button [Check] writes nothing."""
        return "check" in request.POST

    def context(self, request: HttpRequest, job: Job, form: VerbForm) -> dict[str, Any]:  # noqa: ARG002 - the page's
        """Return what was changed, once the form could be read."""
        if not form.is_bound or not {"args", "kwargs"} <= form.cleaned_data.keys():
            return {"checked": False}
        data = form.cleaned_data
        args, kwargs = job.arguments
        found = differences(args, data["args"], "args")
        found += differences(kwargs, data["kwargs"], "kwargs")
        return {"checked": True, "fits": form.is_valid(), "differences": found}

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Fork it."""
        new_id = data["token"]
        known = Job.objects.filter(pk=new_id).exists()
        actions.fork(
            job.pk,
            new_id=new_id,
            args=data["args"],
            kwargs=data["kwargs"],
            from_step=data.get("from_step") or None,
            replaces=data.get("addressed", False),
            actor=request.user,
            reason=data["reason"],
        )
        text = _("The job runs again with new arguments as")
        if known:
            text = _("This form was sent already; it made the job")
        return format_html('{} <a href="{}">{}</a>.', text, _page(request, new_id), new_id)


def _page(request: HttpRequest, job_id: UUID) -> str:
    match = request.resolver_match
    site = match.namespace if match else "admin"
    return reverse(f"{site}:jobman_job_change", args=[str(job_id)], current_app=site)
