"""Pages: what the addresses of all verbs have in common.

A page says what will happen and asks why.  Its answer is checked again: the permission, the
state, and that the job stands where it stood when the page was opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils.html import strip_tags
from django.utils.translation import gettext as _

from celery_jobman.admin import badges, frame
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.refusals import told
from celery_jobman.admin.routes import address, page_of, visible_job
from celery_jobman.admin.steering.forms import VerbForm
from celery_jobman.admin.steering.rules import why_not
from celery_jobman.exceptions import JobmanError, JobNotFound, TransitionRefused
from celery_jobman.models import Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from celery_jobman.admin.access import Deed


class VerbPage:
    """The page of one verb; a subclass says what differs."""

    deed: ClassVar[Deed]
    title: ClassVar[_StrPromise]
    #: On the button.
    submit: ClassVar[_StrPromise]
    template: ClassVar[str] = "steer/verb.html"
    form_class: ClassVar[type[VerbForm]] = VerbForm
    #: It stops or deletes something.
    dangerous: ClassVar[bool] = False

    def __call__(
        self, admin: ModelAdmin[Any], request: HttpRequest, /, **parts: Any
    ) -> HttpResponse:
        """Answer a request for the page of the job ``parts["pk"]``."""
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        try:
            job = visible_job(admin, request, parts["pk"], self.deed)
            if request.method == "POST":
                return self._answer(admin, request, job)
            return self.show(admin, request, job, self.form(job))
        except (Http404, JobNotFound, Job.DoesNotExist):
            return self._gone(admin, request)

    def _gone(self, admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
        """Say that there is no job, or none that the user may do this to; they look the same."""
        template, back = "steer/gone.html", address(admin, "changelist")
        return frame.response(
            admin, request, template, title=str(self.title), back=back, status=404
        )

    def form(self, job: Job, data: Any = None) -> VerbForm:
        """Return the form, filled in with ``data`` if it was sent."""
        standing = {"state": job.state, "attempt": job.attempt}
        return self.form_class(data, initial={**standing, **self.initial(job)})

    def initial(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - for subclasses
        """Return what the form's fields hold at first."""
        return {}

    def outlook(self, job: Job) -> list[str]:
        """Return what will happen, in sentences."""
        raise NotImplementedError

    def warnings(self, job: Job) -> list[str]:  # noqa: ARG002 - for subclasses
        """Return what to mind before it is done."""
        return []

    def button(self, job: Job) -> str:  # noqa: ARG002 - for subclasses
        """Return what the button that does it says."""
        return str(self.submit)

    def act(self, request: HttpRequest, job: Job, data: dict[str, Any]) -> str:
        """Do it, and return what was done in a sentence."""
        raise NotImplementedError

    def context(self, request: HttpRequest, job: Job, form: VerbForm) -> dict[str, Any]:  # noqa: ARG002 - for subclasses
        """Return what else the page's template reads."""
        return {}

    def show(
        self, admin: ModelAdmin[Any], request: HttpRequest, job: Job, form: VerbForm
    ) -> HttpResponse:
        """Draw the page."""
        why = why_not(job, self.deed)
        open_only = {} if why else self._open(request, job, form)
        return frame.response(
            admin,
            request,
            self.template if not why else "steer/closed.html",
            title=str(self.title),
            job=job,
            task=visible(job.task),
            badge=badges.of(job),
            why=why,
            back=page_of(admin, job.pk),
            **open_only,
        )

    def _open(self, request: HttpRequest, job: Job, form: VerbForm) -> dict[str, Any]:
        return {
            "form": form,
            "outlook": self.outlook(job),
            "warnings": self.warnings(job),
            "submit": self.button(job),
            "tone": "danger" if self.dangerous else "main",
            **self.context(request, job, form),
        }

    def _answer(self, admin: ModelAdmin[Any], request: HttpRequest, job: Job) -> HttpResponse:
        problem = changed(job, request) or why_not(job, self.deed)
        if problem:
            messages.warning(request, problem)
            return HttpResponseRedirect(page_of(admin, job.pk))
        form = self.form(job, request.POST)
        if not form.is_valid() or self.only_checks(request):
            return self.show(admin, request, job, form)
        return self._act(admin, request, job, form)

    def only_checks(self, request: HttpRequest) -> bool:  # noqa: ARG002 - for subclasses
        """Whether the form was sent only to be checked."""
        return False

    def _act(
        self, admin: ModelAdmin[Any], request: HttpRequest, job: Job, form: VerbForm
    ) -> HttpResponse:
        try:
            done = self.act(request, job, form.cleaned_data)
        except (TransitionRefused, JobNotFound):
            messages.warning(request, now_stands(job.pk))
            return HttpResponseRedirect(_way_back(admin, job.pk))
        except JobmanError as error:
            form.add_error(None, told(error))
            return self.show(admin, request, job, form)
        log(request, job, done)
        messages.success(request, done)
        return HttpResponseRedirect(page_of(admin, job.pk))


def changed(job: Job, request: HttpRequest) -> str:
    """Return a sentence if the job has moved on since the form was made; empty otherwise."""
    stood = request.POST.get("state"), request.POST.get("attempt")
    if stood == (str(job.state), str(job.attempt)):
        return ""
    return now_stands(job.pk)


def now_stands(job_id: UUID) -> str:
    """Return the sentence that says that a job has moved on, and to where."""
    state = Job.objects.filter(pk=job_id).values_list("state", flat=True).first()
    if state is None:
        return _("The job was deleted since you opened this page.")
    word = State(state).label
    return _("The job changed since you opened this page (now %(state)s).") % {"state": word}


def log(request: HttpRequest, job: Job, message: str) -> None:
    """Write the entry that Django's own history shows."""
    LogEntry.objects.log_actions(
        str(request.user.pk), [job], CHANGE, strip_tags(message), single_object=True
    )


def _way_back(admin: ModelAdmin[Any], job_id: UUID) -> str:
    exists = Job.objects.filter(pk=job_id).exists()
    return page_of(admin, job_id) if exists else address(admin, "changelist")
