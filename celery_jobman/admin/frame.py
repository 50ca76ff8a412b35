"""Frame: what every one of jobman's own admin pages needs of the admin around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import django
from django.contrib import messages
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import address, page_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from celery_jobman.models import Job

#: Django 6 draws breadcrumbs as a list; Django 5.2 as a line of links.
CRUMBS = "list" if django.VERSION >= (6, 0) else "line"


class Crumb(NamedTuple):
    """One step of the way to a page; the page itself has no address."""

    text: str
    href: str = ""


def response(  # noqa: PLR0913 - all but three are keywords
    admin: ModelAdmin[Any],
    request: HttpRequest,
    template: str,
    *,
    title: str,
    job: Job | None = None,
    way: Sequence[Crumb] = (),
    is_page: bool = False,
    status: int = 200,
    **context: Any,
) -> TemplateResponse:
    """Render ``admin/jobman/<template>`` inside the admin.

    Args:
        admin: The ModelAdmin of the jobs or batches; its site gives the surroundings.
        request: The request.
        template: Name below ``admin/jobman/``.
        title: The page's heading, and its last breadcrumb.
        job: The job that the page is about; it becomes a breadcrumb.
        way: What the page is about, as further breadcrumbs.
        is_page: It is the own page of the last of those, which has no address then.
        status: HTTP status of the answer.
        **context: What else the template reads.
    """
    request.current_app = admin.admin_site.name
    surroundings = {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": admin.opts,
        "job": job,
        "crumbs": _crumbs(
            admin, "" if is_page else title, way if job is None else _way_to(admin, job)
        ),
        "crumbs_template": f"admin/jobman/_crumbs_{CRUMBS}.html",
        "media": admin.media,
    }
    name = f"admin/jobman/{template}"
    return TemplateResponse(request, name, {**surroundings, **context}, status=status)


def nowhere(admin: ModelAdmin[Any], request: HttpRequest, text: str) -> HttpResponseRedirect:
    """Lead to the index, as Django's admin does for what does not exist."""
    admin.message_user(request, text, messages.WARNING)
    site = admin.admin_site.name
    return HttpResponseRedirect(reverse(f"{site}:index", current_app=site))


def _crumbs(admin: ModelAdmin[Any], title: str, way: Sequence[Crumb]) -> list[Crumb]:
    site, meta = admin.admin_site.name, admin.opts
    app = reverse(f"{site}:app_list", kwargs={"app_label": meta.app_label}, current_app=site)
    crumbs = [
        Crumb(_("Home"), reverse(f"{site}:index", current_app=site)),
        Crumb(str(meta.app_config.verbose_name), app),
        Crumb(capfirst(str(meta.verbose_name_plural)), address(admin, "changelist")),
        *way,
    ]
    if title:
        return [*crumbs, Crumb(title)]
    return [*crumbs[:-1], crumbs[-1]._replace(href="")]


def _way_to(admin: ModelAdmin[Any], job: Job) -> list[Crumb]:
    name = Truncator(f"{visible(job.task)} {str(job.pk)[:8]}…").chars(120)
    return [Crumb(name, page_of(admin, job.pk))]
