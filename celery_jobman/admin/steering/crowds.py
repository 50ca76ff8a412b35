"""Crowds: what the page of a bulk action asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.steering import remainders
from celery_jobman.admin.steering.forms import (
    PriorityFields,
    ReasonForm,
    TimeFields,
    field,
    priority_field,
)

#: From more jobs than this on retries are spread unless asked otherwise, no job gets an entry in
#: Django's log, and the audit gets one for all.
MANY = 100
#: From more jobs than this on their number must be typed.
CROWD = 1000
#: Longest time that retries are spread over, in minutes.
LONGEST = 7 * 24 * 60


class BulkForm(ReasonForm):
    """What every bulk action asks for, and what its page said."""

    seen = forms.DateTimeField(widget=forms.HiddenInput)
    expected = forms.IntegerField(widget=forms.HiddenInput)
    rest = forms.CharField(widget=forms.HiddenInput, required=False)
    number = forms.IntegerField(
        label=gettext_lazy("Type the number of jobs to confirm"),
        widget=forms.NumberInput(attrs=field(autocomplete="off")),
    )

    def __init__(self, *args: Any, count: int, is_crowd: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count = count
        if not is_crowd:
            del self.fields["number"]
        last = ("reason", "number")
        self.order_fields([*(name for name in self.fields if name not in last), *last])

    def clean_number(self) -> int:
        """Compare it with what is there."""
        number: int = self.cleaned_data["number"]
        if number != self.count:
            raise forms.ValidationError(_("This is not the number of jobs."))
        return number

    def clean_rest(self) -> str:
        """Refuse what was not given out."""
        text: str = self.cleaned_data["rest"]
        if text and remainders.read(text) is None:
            raise forms.ValidationError(_("The form could not be read. Begin anew in the list."))
        return text


class BulkRetryForm(BulkForm):
    """When and how urgently, and whether jobs that succeeded are meant, too."""

    when = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[
            ("now", gettext_lazy("Now, all at once")),
            ("spread", gettext_lazy("Spread evenly over the minutes below, from now on")),
        ],
        widget=forms.RadioSelect,
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"),
        initial=10,
        required=False,
        min_value=1,
        max_value=LONGEST,
        widget=forms.NumberInput(attrs=field()),
    )
    priority = priority_field(gettext_lazy("From 0 to 255; empty keeps that of each job."))
    succeeded = forms.BooleanField(
        label=gettext_lazy("Also run jobs again that succeeded"), required=False
    )

    def __init__(self, *args: Any, count: int, **kwargs: Any) -> None:
        super().__init__(*args, count=count, **kwargs)
        self.fields["when"].initial = "spread" if count > MANY else "now"
        if count == 1:
            del self.fields["when"], self.fields["minutes"]

    def clean(self) -> dict[str, Any]:
        """Turn the minutes into a duration, under ``span``."""
        data = super().clean() or {}
        minutes = data.get("minutes") if data.get("when") == "spread" else None
        if data.get("when") == "spread" and minutes is None and "minutes" not in self.errors:
            self.add_error("minutes", _("Enter a number of minutes."))
        data["span"] = timedelta(minutes=minutes) if minutes else None
        return data


class BulkTimeForm(TimeFields, BulkForm):
    """A time for many jobs."""


class BulkPriorityForm(PriorityFields, BulkForm):
    """A priority for many jobs."""


def since(form: BulkForm) -> str:
    """Return the moment that a form's page showed, in the page's zone; empty if unreadable."""
    try:
        seen = form.fields["seen"].clean(form["seen"].value())
    except forms.ValidationError:
        return ""
    return f"{timezone.localtime(seen):%H:%M:%S} {timezone.get_current_timezone_name()}"
