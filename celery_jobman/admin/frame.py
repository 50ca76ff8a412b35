"""Frame: what every one of jobman's own admin pages needs of the admin around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import django
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import address, page_of

if TYPE_CHECKING:
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
    is_page: bool = False,
    status: int = 200,
    **context: Any,
) -> TemplateResponse:
    """Render ``admin/jobman/<template>`` inside the admin.

    Args:
        admin: The jobs' ModelAdmin; its site gives the surroundings.
        request: The request.
        template: Name below ``admin/jobman/``.
        title: The page's heading, and its last breadcrumb.
        job: The job that the page is about; it becomes a breadcrumb.
        is_page: It is the job's own page, and that breadcrumb the last.
        status: HTTP status of the answer.
        **context: What else the template reads.
    """
    request.current_app = admin.admin_site.name
    surroundings = {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": admin.opts,
        "job": job,
        "crumbs": _crumbs(admin, "" if is_page else title, job),
        "crumbs_template": f"admin/jobman/_crumbs_{CRUMBS}.html",
        "media": admin.media,
    }
    name = f"admin/jobman/{template}"
    return TemplateResponse(request, name, {**surroundings, **context}, status=status)


def _crumbs(admin: ModelAdmin[Any], title: str, job: Job | None) -> list[Crumb]:
    site, meta = admin.admin_site.name, admin.opts
    app = reverse(f"{site}:app_list", kwargs={"app_label": meta.app_label}, current_app=site)
    crumbs = [
        Crumb(_("Home"), reverse(f"{site}:index", current_app=site)),
        Crumb(str(meta.app_config.verbose_name), app),
        Crumb(capfirst(str(meta.verbose_name_plural)), address(admin, "changelist")),
    ]
    if job is None:
        return [*crumbs, Crumb(title)]
    name = Truncator(f"{visible(job.task)} {str(job.pk)[:8]}…").chars(120)
    if not title:
        return [*crumbs, Crumb(name)]
    return [*crumbs, Crumb(name, page_of(admin, job.pk)), Crumb(title)]
