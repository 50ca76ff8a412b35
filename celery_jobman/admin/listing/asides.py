"""Asides: what the second line of a row says of a job's tags and of the jobs it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.routes import page_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from celery_jobman.models import Job

    #: The forks of jobs, by the id of the job that each was made from, the newest first.
    Forks = dict[UUID, list[UUID]]

#: Forks that are looked up for one page, and tags and forks that are shown of one job.
READ, SHOWN = 500, 3
#: Characters of a tag that are shown.
LENGTH: Final = 40


def forks_of(admin: ModelAdmin[Any], request: HttpRequest, jobs: Iterable[Job]) -> Forks:
    """Return the forks of jobs that the user may see; one statement, through an index."""
    ids = [job.pk for job in jobs]
    if not ids:
        return {}
    # In no order, or PostgreSQL might walk the primary key instead of the index on forks.
    rows = admin.get_queryset(request).filter(retry_of__in=ids).order_by()[:READ]
    found: Forks = {}
    for fork in sorted(rows, key=lambda row: row.pk, reverse=True):
        if admin.has_view_permission(request, fork):
            found.setdefault(fork.retry_of, []).append(fork.pk)
    return found


def of(admin: ModelAdmin[Any], job: Job, forks: Iterable[UUID]) -> SafeString:
    """Return the line; empty when there is nothing to tell."""
    parts = [*_kin(admin, job, list(forks)), *_tags(job)]
    if not parts:
        return mark_safe("")
    line = format_html_join(" · ", "{}", ((part,) for part in parts))
    return format_html('<div class="jm-second jm-quiet">{}</div>', line)


def _kin(admin: ModelAdmin[Any], job: Job, forks: list[UUID]) -> Iterator[SafeString]:
    if job.retry_of:
        yield _link(admin, job.retry_of, _("retry of %(job)s"))
    for fork in forks[:SHOWN]:
        yield _link(admin, fork, _("retried as %(job)s"))
    if len(forks) > SHOWN:
        yield format_html("{}", _("and %(count)s more") % {"count": len(forks) - SHOWN})
    if job.replaced_by and job.replaced_by not in forks:
        yield _link(admin, job.replaced_by, _("replaced by %(job)s"))


def _link(admin: ModelAdmin[Any], job_id: UUID, text: str) -> SafeString:
    words = text % {"job": f"…{str(job_id)[-8:]}"}
    return format_html('<a href="{}">{}</a>', page_of(admin, job_id), words)


def _tags(job: Job) -> Iterator[SafeString]:
    tags = tags_of(job)
    if tags:
        shown = format_html_join(", ", "{}", ((drawn(tag),) for tag in tags[:SHOWN]))
        more = "…" if len(tags) > SHOWN else ""
        yield format_html("{} {}{}", _("tags:"), shown, more)


def tags_of(job: Job) -> list[str]:
    """Return a job's tags; the column is the project's own, and may hold anything."""
    return [tag for tag in job.tags if isinstance(tag, str)] if isinstance(job.tags, list) else []


def drawn(tag: str) -> SafeString:
    """Return a tag as a link to the jobs that have it, if a search can name it."""
    text = visible(tag, LENGTH)
    if '"' in tag or not tag.strip() or not tag.isprintable():
        return format_html("{}", text)
    return format_html('<a href="?{}">{}</a>', urlencode({"q": f'tag:"{tag}"'}), text)
