"""Drawing: a region as HTML, with a version that tells whether it changed."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from django.template.loader import render_to_string

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from celery_jobman.admin.page.regions import Region, S

#: A form's token is another one in every answer, and means the same.
TOKEN = re.compile(r'<input[^>]*name="csrfmiddlewaretoken"[^>]*>')


class Drawn(NamedTuple):
    """A region as the page holds it."""

    name: str
    html: SafeString
    version: str


def draw(subject: S, region: Region[S]) -> Drawn | None:
    """Return a region; None when there is nothing in it, or the user may not see it."""
    if region.deed and not subject.may(region.deed):
        return None
    context = region.context(subject)
    if not context:
        return None
    html = render_to_string(
        f"admin/jobman/{subject.folder}/_{region.name}.html",
        {**subject.surroundings, **context},
        request=subject.request,
    )
    return Drawn(region.name, html, version(html))


def version(html: str) -> str:
    """Return a short text that differs when what is shown differs."""
    return blake2b(TOKEN.sub("", html).encode(), digest_size=8).hexdigest()
