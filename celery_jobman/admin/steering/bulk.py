"""Bulk: one verb for many jobs.

The first request shows a page with what would be done, the second does it.  Both go to the
list's own address, with its filter; the jobs are chosen and counted anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin import frame
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.listing import limits
from celery_jobman.admin.reading import ReadOnlyAdmin, as_uuid
from celery_jobman.admin.steering import remainders, sweeps
from celery_jobman.admin.steering.crowds import CROWD, since
from celery_jobman.admin.steering.remainders import Pace, Remainder
from celery_jobman.admin.steering.selection import Selection, filtered_by, is_across, passed_on

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from celery_jobman.admin.steering.crowds import BulkForm
    from celery_jobman.admin.steering.sweeps import Sweep
    from celery_jobman.models import Job

#: A recount that differs by more than this share is shown again before anything is done.
TOLERANCE = 0.1


class BulkActions(ReadOnlyAdmin):
    """The actions of the list."""

    actions = [  # type: ignore[assignment]  # other tables have none
        "cancel_jobs",
        "retry_jobs",
        "reschedule_jobs",
        "change_priority_of_jobs",
        "forget_jobs",
    ]

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may cancel jobs."""
        return may(request.user, Deed.CANCEL)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether the user may retry jobs."""
        return may(request.user, Deed.RETRY)

    def has_reschedule_permission(self, request: HttpRequest) -> bool:
        """Whether the user may give jobs another time."""
        return may(request.user, Deed.RESCHEDULE)

    def has_priority_permission(self, request: HttpRequest) -> bool:
        """Whether the user may give jobs another priority."""
        return may(request.user, Deed.PRIORITY)

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Whether the user may delete jobs."""
        return may(request.user, Deed.FORGET)

    @admin.action(permissions=["cancel"], description=gettext_lazy("Cancel…"))
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Cancel jobs that wait; ask those that run to stop."""
        return _answer(self, request, queryset, sweeps.CANCEL)

    @admin.action(permissions=["retry"], description=gettext_lazy("Retry…"))
    def retry_jobs(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Run jobs again that have ended."""
        return _answer(self, request, queryset, sweeps.RETRY)

    @admin.action(permissions=["reschedule"], description=gettext_lazy("Reschedule…"))
    def reschedule_jobs(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Give jobs that wait another time."""
        return _answer(self, request, queryset, sweeps.RESCHEDULE)

    @admin.action(permissions=["priority"], description=gettext_lazy("Change the priority…"))
    def change_priority_of_jobs(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse:
        """Give jobs that wait another priority."""
        return _answer(self, request, queryset, sweeps.PRIORITY)

    @admin.action(permissions=["forget"], description=gettext_lazy("Delete for good…"))
    def forget_jobs(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Delete jobs that have ended."""
        return _answer(self, request, queryset, sweeps.FORGET)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Refuse ids that are none, before the database is asked for them."""
        if all(as_uuid(each) for each in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            return super().response_action(request, queryset, *args, **kwargs)
        messages.warning(request, _("The jobs that were chosen could not be read."))
        return None


def _answer(
    model_admin: BulkActions, request: HttpRequest, queryset: QuerySet[Any], sweep: Sweep
) -> HttpResponse:
    rest = remainders.read(request.POST.get("rest", ""))
    try:
        with limits.limited(queryset.db):
            selection = Selection.of(rest.among(queryset) if rest else queryset)
    except limits.TookTooLong:
        messages.warning(request, limits.sentence())
        return HttpResponseRedirect(request.get_full_path())
    if not selection.jobs:
        messages.warning(request, _("No job matches any more."))
        return HttpResponseRedirect(request.get_full_path())
    return _Case(model_admin, request, sweep, selection, rest).answer()


@dataclass(frozen=True)
class _Case:
    """One request of one user for one verb and these jobs."""

    admin: BulkActions
    request: HttpRequest
    sweep: Sweep
    selection: Selection
    #: They are what an earlier request left.
    rest: Remainder | None

    @property
    def count(self) -> int:
        return len(self.selection.jobs)

    def answer(self) -> HttpResponse:
        if "seen" not in self.request.POST:
            return self.ask(self.fresh())
        form = self.form(self.request.POST)
        if not form.is_valid():
            return self.ask(form)
        expected = form.cleaned_data["expected"]
        if abs(self.count - expected) > expected * TOLERANCE:
            messages.warning(self.request, _("Other jobs match by now. Look again, and confirm."))
            return self.ask(self.fresh())
        return self.act(form.cleaned_data)

    def form(self, data: Any = None, **initial: Any) -> BulkForm:
        is_crowd = self.selection.matching > CROWD and self.rest is None
        return self.sweep.form(data, initial=initial, count=self.count, is_crowd=is_crowd)

    def fresh(self) -> BulkForm:
        return self.form(seen=timezone.now().isoformat(), expected=self.count)

    def act(self, data: dict[str, Any]) -> HttpResponse:
        pace = self.rest.pace if self.rest else Pace(timezone.now(), 0, self.count)
        tally = sweeps.run(self.sweep, self.request, self.selection.jobs, data, pace)
        sweeps.log(self.sweep, self.request, tally, data)
        tell = messages.success if tally.done else messages.warning
        tell(self.request, sweeps.told(self.sweep, tally))
        if not tally.left:
            return HttpResponseRedirect(self.request.get_full_path())
        return self.go_on(tally.left, pace.later(self.count - len(tally.left)))

    def go_on(self, jobs: list[Job], pace: Pace) -> HttpResponse:
        """Offer what is left, with the choices that were made; one click goes on."""
        rest = Remainder.of(jobs, pace)
        case = replace(self, selection=Selection(jobs, is_cut=False), rest=rest)
        chosen = {name: self.request.POST.get(name) for name in self.form().fields}
        return case.ask(case.form(**{**chosen, "rest": rest.signed(), "expected": len(jobs)}))

    def ask(self, form: BulkForm) -> HttpResponse:
        request, sweep = self.request, self.sweep
        return frame.response(
            self.admin,
            request,
            "steer/bulk.html",
            title=sweeps.counted(sweep.title, self.count),
            form=form,
            passed_on=passed_on(request),
            across=is_across(request),
            filtered_by=filtered_by(request),
            counts=self.selection.counts(request),
            first=self.selection.first(self.admin),
            cut=self.count if self.selection.is_cut else 0,
            left=self.count if self.rest else 0,
            since=since(form),
            back=request.get_full_path(),
            tone="danger" if sweep.deed in {Deed.CANCEL, Deed.FORGET} else "main",
        )
