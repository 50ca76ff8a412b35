"""Scopes: which members of a batch a retry runs again, in words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

#: By the value that a form sends, and that the audit keeps.
SCOPES = {
    "failed": gettext_lazy("What failed"),
    "following": gettext_lazy("What failed, and every link after it"),
    "all": gettext_lazy("Everything"),
}
