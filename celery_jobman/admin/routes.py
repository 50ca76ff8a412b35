"""Routes: the addresses below a page and its list, and who may ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from uuid import UUID

from django.http import Http404
from django.urls import path, reverse
from django.utils.translation import gettext as _

from celery_jobman.admin.access import may

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern

    from celery_jobman.admin.access import Deed
    from celery_jobman.models import Job


#: The id of no job.
NOBODY: Final = UUID(int=0)


class View(Protocol):
    """Answers a request for one of the admin's addresses."""

    # Given the ModelAdmin and the request; typed so loosely because each has parts of its own.
    def __call__(self, *given: Any, **parts: Any) -> HttpResponseBase:
        """Answer it; ``parts`` are the parts of the address."""


class Route(NamedTuple):
    """One address: a pattern below the list's, the end of its name, and who answers.

    ``Route("<uuid:pk>/cancel/", "cancel", view)`` of the jobs' admin is reversed as
    ``jobman_job_cancel``.
    """

    pattern: str
    name: str
    view: View


def urls(admin: ModelAdmin[Any], routes: Iterable[Route]) -> list[URLPattern]:
    """Return the URL patterns of routes, behind the admin's login and never cached."""
    return [
        path(
            route.pattern,
            admin.admin_site.admin_view(_answer(admin, route.view)),
            name=f"jobman_{admin.opts.model_name}_{route.name}",
        )
        for route in routes
    ]


def _answer(admin: ModelAdmin[Any], view: View) -> Any:
    def answer(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        return view(admin, request, **parts)

    return answer


def address(admin: ModelAdmin[Any], name: str, **parts: Any) -> str:
    """Return the address of a route, or of Django's own ``changelist`` and ``change``."""
    args = parts.pop("args", None)
    site = admin.admin_site.name
    full = f"{site}:jobman_{admin.opts.model_name}_{name}"
    return reverse(full, args=args, kwargs=parts or None, current_app=site)


def page_of(admin: ModelAdmin[Any], job_id: object) -> str:
    """Return the address of the page of a job; of a batch, if its ModelAdmin is given."""
    return address(admin, "change", args=[str(job_id)])


def pages(admin: ModelAdmin[Any]) -> Callable[[object], str]:
    """Return a function that does :func:`page_of` for many jobs; the URLs are searched once."""
    pattern = page_of(admin, NOBODY)
    return lambda job_id: pattern.replace(str(NOBODY), str(job_id))


def visible_job(admin: ModelAdmin[Any], request: HttpRequest, pk: UUID | str, *deeds: Deed) -> Job:
    """Return a job that the user may see, and do all ``deeds`` to.

    Raises:
        Http404: There is no such job, or the user may not; they look the same.
    """
    job: Job | None = admin.get_queryset(request).filter(pk=pk).first()
    if job is None or not admin.has_view_permission(request, job):
        raise Http404(_("There is no such job, or you may not see it."))
    if not all(may(request.user, deed, job) for deed in deeds):
        raise Http404(_("There is no such job, or you may not see it."))
    return job
