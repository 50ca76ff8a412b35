"""Template tags of jobman's pages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django import template
from django.utils.html import format_html

from celery_jobman.insight import wording

if TYPE_CHECKING:
    from datetime import datetime

    from django.template import Context
    from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def jobman_nonce(context: Context) -> SafeString | str:
    """Return the ``nonce`` attribute that the page's content security policy asks for.

    Django 6's context processor and django-csp are both understood; without either of them
    nothing is written.
    """
    nonce = context.get("csp_nonce")
    if nonce is None:  # Django's is false until somebody has read it
        nonce = getattr(context.get("request"), "csp_nonce", None)
    return "" if nonce is None else format_html('nonce="{}"', str(nonce))


@register.filter
def jobman_number(count: int) -> str:
    """Return a number as the reader's language writes it: ``1,204``."""
    return wording.number(count)


@register.filter
def jobman_seconds(count: int) -> str:
    """Return a number of seconds: ``5s``."""
    return wording.lasting(timedelta(seconds=count))


@register.filter
def jobman_at(moment: datetime) -> str:
    """Return a moment in the page's time zone: ``2026-01-31 12:00:00 CET``."""
    return wording.at(moment)
