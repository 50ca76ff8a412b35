"""Regions: the parts of a job's page, each drawn by a template of its own.

The page includes them in order; the live address draws the same regions again, so that what
moves and what is loaded anew can never differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from celery_jobman.admin.access import Deed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from celery_jobman.models import Job


class Subject(NamedTuple):
    """What a region is told."""

    admin: ModelAdmin[Any]
    request: HttpRequest
    #: Read now; big columns are deferred.
    job: Job
    now: datetime


class Region(NamedTuple):
    """One part of the page."""

    #: Its ``data-jobman-region``, and the name of its template ``admin/jobman/job/_<name>.html``.
    name: str
    #: Returns what the template reads.  An empty mapping leaves the region out.
    context: Callable[[Subject], Mapping[str, Any]]
    #: What the user must be allowed; otherwise the region is left out.
    deed: Deed = Deed.VIEW
    #: Drawn again while the page is open.
    live: bool = True
