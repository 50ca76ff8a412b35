"""Forms: what the page of a verb on a batch asks for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.batch.scopes import SCOPES
from celery_jobman.admin.steering.forms import ReasonForm


class StandingForm(ReasonForm):
    """What every verb on a batch asks for, and where the batch stood when it was asked."""

    standing = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _("Kept in the history.")


class ScopeForm(StandingForm):
    """Which members."""

    scope = forms.ChoiceField(
        label=gettext_lazy("What runs again"),
        choices=list(SCOPES.items()),
        widget=forms.RadioSelect,
    )
