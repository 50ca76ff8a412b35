"""Forms: what the page of a verb asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.core.priorities import HIGHEST

if TYPE_CHECKING:
    from datetime import datetime

#: Hour at which "tomorrow morning" is, in the page's time zone.
MORNING = 8
#: Furthest that a job can be put off.
FURTHEST = timedelta(days=3653)


def field(**attributes: Any) -> dict[str, Any]:
    """Return the attributes that make a widget look like our fields."""
    return {"class": "jm-field", **attributes}


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Kept in the job's history."),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs=field(rows=2)),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])


class VerbForm(ReasonForm):
    """What every verb on one job asks for, and where the job stood when it was asked."""

    state = forms.CharField(widget=forms.HiddenInput)
    attempt = forms.CharField(widget=forms.HiddenInput)


def priority_field(help_text: Any) -> forms.IntegerField:
    """Return a field for a priority; ``help_text`` says what it means to leave it empty."""
    return forms.IntegerField(
        label=gettext_lazy("Priority"),
        help_text=help_text,
        required=False,
        min_value=0,
        max_value=HIGHEST,
        widget=forms.NumberInput(attrs=field()),
    )


class PriorityFields(forms.Form):
    """A priority."""

    priority = priority_field(
        gettext_lazy(
            "From 0 to 255; empty for the queue's own. Which end goes first is up to the broker."
        )
    )


class TimeFields(forms.Form):
    """A time, in the page's time zone."""

    when = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[
            ("now", gettext_lazy("Now")),
            ("hour", gettext_lazy("In one hour")),
            ("morning", gettext_lazy("Tomorrow morning, at 8")),
            ("at", gettext_lazy("At the time below")),
        ],
        initial="now",
        widget=forms.RadioSelect,
    )
    at = forms.DateTimeField(
        label=gettext_lazy("Date and time"),
        required=False,
        widget=forms.DateTimeInput(
            attrs=field(type="datetime-local", step="1"), format="%Y-%m-%dT%H:%M:%S"
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["at"].help_text = _("Time zone: %(zone)s. A time in the past means now.") % {
            "zone": timezone.get_current_timezone_name()
        }

    def clean(self) -> dict[str, Any]:
        """Turn the choice into one moment, under ``moment``."""
        data = super().clean() or {}
        if data.get("when") == "at" and "at" in data:
            self._check(data["at"])
        data["moment"] = _moment(data.get("when"), data.get("at"))
        return data

    def _check(self, at: datetime | None) -> None:
        if at is None:
            self.add_error("at", _("Enter a date and a time."))
        elif at - timezone.now() > FURTHEST:
            self.add_error("at", _("This is more than ten years from now."))


class TermsFields(TimeFields):
    """When, in which queue and with which priority a job runs again; empty is as before."""

    queue = forms.ChoiceField(
        label=gettext_lazy("Queue"), required=False, widget=forms.Select(attrs=field())
    )
    priority = priority_field(gettext_lazy("From 0 to 255; empty leaves it as it is."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The button on the job's page asks for nothing of this.
        self.fields["when"].required = False


def _moment(when: str | None, at: datetime | None) -> datetime:
    now = timezone.now()
    if when == "hour":
        return now + timedelta(hours=1)
    if when == "morning":
        tomorrow = timezone.localtime(now).replace(tzinfo=None) + timedelta(days=1)
        morning = tomorrow.replace(hour=MORNING, minute=0, second=0, microsecond=0)
        return timezone.make_aware(morning)
    return max(at, now) if when == "at" and at is not None else now
