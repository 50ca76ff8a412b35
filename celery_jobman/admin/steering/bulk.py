"""Bulk: one verb for many jobs.

The first request shows a page with what would be done, the second does it.  Both go to the
list's own address, with its filter; the jobs are chosen and counted anew each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin import frame
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.reading import ReadOnlyAdmin, as_uuid
from celery_jobman.admin.steering import sweeps
from celery_jobman.admin.steering.selection import Selection, filtered_by, passed_on

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from celery_jobman.admin.steering.sweeps import BulkForm, Sweep

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
    selection = Selection.of(queryset)
    count = len(selection.jobs)
    if not count:
        messages.warning(request, _("No job matches any more."))
        return HttpResponseRedirect(request.get_full_path())
    if "seen" not in request.POST:
        return _ask(model_admin, request, selection, sweep, _fresh(sweep, count))
    form = sweep.form(request.POST, count=count)
    if not form.is_valid():
        return _ask(model_admin, request, selection, sweep, form)
    expected = form.cleaned_data["expected"]
    if abs(count - expected) > expected * TOLERANCE:
        messages.warning(request, _("Other jobs match by now. Look again, and confirm."))
        return _ask(model_admin, request, selection, sweep, _fresh(sweep, count))
    tally = sweeps.run(sweep, request, selection.jobs, form.cleaned_data)
    sweeps.log(sweep, request, tally)
    tell = messages.success if tally.done else messages.warning
    tell(request, sweeps.told(sweep, tally))
    return HttpResponseRedirect(request.get_full_path())


def _fresh(sweep: Sweep, count: int) -> BulkForm:
    seen = timezone.now().isoformat()
    return sweep.form(initial={"seen": seen, "expected": count}, count=count)


def _ask(
    model_admin: BulkActions,
    request: HttpRequest,
    selection: Selection,
    sweep: Sweep,
    form: BulkForm,
) -> HttpResponse:
    title = str(sweep.title % {"count": len(selection.jobs)})
    return frame.response(
        model_admin,
        request,
        "steer/bulk.html",
        title=title,
        form=form,
        passed_on=passed_on(request),
        filtered_by=filtered_by(request),
        counts=selection.counts(request),
        first=selection.first(model_admin),
        cut=len(selection.jobs) if selection.is_cut else 0,
        back=request.get_full_path(),
        tone="danger" if sweep.deed in {Deed.CANCEL, Deed.FORGET} else "main",
    )
