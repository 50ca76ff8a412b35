"""Verbs: what the pages of all verbs on batches have in common.

A page says what will happen and asks why.  Its answer is checked again: the permission, the
state, and that the batch stands where it stood when the page was opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _

from celery_jobman.admin import frame
from celery_jobman.admin.batch.forms import StandingForm
from celery_jobman.admin.batch.naming import badge, called
from celery_jobman.admin.batch.reach import visible_batch
from celery_jobman.admin.batch.regions import Subject
from celery_jobman.admin.refusals import told
from celery_jobman.admin.routes import address
from celery_jobman.exceptions import BatchNotFound, JobmanError, JobNotFound, TransitionRefused
from celery_jobman.models import Batch, Job
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from celery_jobman.admin.access import Deed
    from celery_jobman.admin.badges import Badge


@dataclass(frozen=True)
class Case:
    """A request to do something to a batch, or to one member of it."""

    subject: Subject
    member: Job | Batch | None = None

    @property
    def admin(self) -> ModelAdmin[Any]:
        """The batches' admin."""
        return self.subject.admin

    @property
    def request(self) -> HttpRequest:
        """The request."""
        return self.subject.request

    @property
    def batch(self) -> Batch:
        """The batch, read now."""
        return self.subject.batch

    @property
    def standing(self) -> str:
        """A text that is another one once the batch, or the member, has moved on."""
        row = self.member or self.batch
        turn = row.attempt if isinstance(row, Job) else row.finishes
        return f"{row.state}.{turn}"

    @property
    def name(self) -> str:
        """What it is called."""
        jobs, row = self.subject.jobs, self.member or self.batch
        return jobs.called(row) if isinstance(row, Job) else called(row)

    @property
    def badge(self) -> Badge:
        """How its state looks."""
        jobs, row = self.subject.jobs, self.member or self.batch
        return jobs.badge(row, self.subject.now) if isinstance(row, Job) else badge(row)

    @property
    def back(self) -> str:
        """The page to go back to."""
        if isinstance(self.member, Job):
            return self.subject.jobs.page(self.member.pk)
        return self.subject.batches.page((self.member or self.batch).pk)


class VerbPage:
    """The page of one verb; a subclass says what differs."""

    deed: ClassVar[Deed]
    title: ClassVar[_StrPromise]
    template: ClassVar[str] = "batch/verb.html"
    form_class: ClassVar[type[StandingForm]] = StandingForm
    #: It stops something.
    dangerous: ClassVar[bool] = False

    def __call__(
        self, admin: ModelAdmin[Any], request: HttpRequest, /, **parts: Any
    ) -> HttpResponse:
        """Answer a request for the page of the batch ``parts["pk"]``."""
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        try:
            case = self.case(admin, request, parts)
            if request.method == "POST":
                return self._answer(case)
            return self.show(case, self.form(case))
        except (Http404, BatchNotFound, JobNotFound, Batch.DoesNotExist, Job.DoesNotExist):
            return self._gone(admin, request)

    def case(self, admin: ModelAdmin[Any], request: HttpRequest, parts: dict[str, Any]) -> Case:
        """Return what is asked for.

        Raises:
            Http404: There is no such batch, or the user may not do this to it.
        """
        batch = visible_batch(admin, request, parts["pk"], self.deed)
        return Case(Subject(admin, request, batch, timezone.now()))

    def _gone(self, admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
        """Say that there is none, or none that the user may do this to; they look the same."""
        template, back = "batch/gone.html", address(admin, "changelist")
        return frame.response(
            admin, request, template, title=str(self.title), back=back, status=404
        )

    def form(self, case: Case, data: Any = None) -> StandingForm:
        """Return the form, filled in with ``data`` if it was sent."""
        return self.form_class(data, initial={"standing": case.standing})

    def why_not(self, case: Case) -> str:
        """Return why the state does not allow it; empty when it does."""
        raise NotImplementedError

    def outlook(self, case: Case) -> list[str]:
        """Return what will happen, in sentences."""
        raise NotImplementedError

    def warnings(self, case: Case) -> list[str]:  # noqa: ARG002 - for subclasses
        """Return what to mind before it is done."""
        return []

    def act(self, case: Case, data: dict[str, Any]) -> str:
        """Do it, and return what was done in a sentence."""
        raise NotImplementedError

    def context(self, case: Case, form: StandingForm) -> dict[str, Any]:  # noqa: ARG002 - for subclasses
        """Return what else the page's template reads."""
        return {}

    def show(self, case: Case, form: StandingForm) -> HttpResponse:
        """Draw the page."""
        why = self.why_not(case)
        return frame.response(
            case.admin,
            case.request,
            "batch/closed.html" if why else self.template,
            title=str(self.title),
            way=case.subject.way,
            task=case.name,
            badge=case.badge,
            why=why,
            back=case.back,
            **({} if why else self._open(case, form)),
        )

    def _open(self, case: Case, form: StandingForm) -> dict[str, Any]:
        return {
            "form": form,
            "outlook": self.outlook(case),
            "warnings": self.warnings(case),
            "submit": str(self.title),
            "tone": "danger" if self.dangerous else "main",
            **self.context(case, form),
        }

    def _answer(self, case: Case) -> HttpResponse:
        moved = "" if case.request.POST.get("standing") == case.standing else now_stands(case)
        problem = moved or self.why_not(case)
        if problem:
            messages.warning(case.request, problem)
            return HttpResponseRedirect(case.back)
        form = self.form(case, case.request.POST)
        if not form.is_valid():
            return self.show(case, form)
        return self._act(case, form)

    def _act(self, case: Case, form: StandingForm) -> HttpResponse:
        try:
            done = self.act(case, form.cleaned_data)
        except TransitionRefused:
            messages.warning(case.request, now_stands(case))
            return HttpResponseRedirect(case.back)
        except (BatchNotFound, JobNotFound):
            raise
        except JobmanError as error:
            form.add_error(None, told(error))
            return self.show(case, form)
        log(case, done)
        messages.success(case.request, done)
        return HttpResponseRedirect(case.back)


def now_stands(case: Case) -> str:
    """Return the sentence that says that a batch or its member has moved on, and to where.

    Raises:
        DoesNotExist: It was deleted.
    """
    row: Job | Batch = case.member or case.batch
    row.refresh_from_db(fields=["state"])
    word = State(row.state).label
    if isinstance(row, Job):
        return _("The job changed since you opened this page (now %(state)s).") % {"state": word}
    text = _("The batch changed since you opened this page (now %(state)s). Nothing was done.")
    return text % {"state": word}


def log(case: Case, message: str) -> None:
    """Write the entry that Django's own history shows."""
    row = case.member or case.batch
    user = str(case.request.user.pk)
    LogEntry.objects.log_actions(user, [row], CHANGE, message, single_object=True)
