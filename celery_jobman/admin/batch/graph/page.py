"""Page: the graph of a workflow, or the table that says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpResponseNotAllowed
from django.utils import timezone
from django.utils.translation import gettext as _

from celery_jobman.admin import frame
from celery_jobman.admin.batch.graph import longest, reading, wording
from celery_jobman.admin.batch.graph.asking import Asked
from celery_jobman.admin.batch.graph.axis import DOWN, RIGHT
from celery_jobman.admin.batch.graph.drawing import svg
from celery_jobman.admin.batch.graph.folding import MOST_NODES, Folder
from celery_jobman.admin.batch.graph.parts import nodes
from celery_jobman.admin.batch.header import header
from celery_jobman.admin.batch.naming import called
from celery_jobman.admin.batch.reach import visible_batch
from celery_jobman.admin.batch.regions import Subject
from celery_jobman.admin.batch.screen import nowhere, parts
from celery_jobman.admin.page.regions import Region
from celery_jobman.admin.routes import page_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


def _graph(subject: Subject) -> dict[str, Any]:
    """Return the drawing, or the table where it was asked for or there is too much to draw."""
    asked = Asked.of(subject.request.GET)
    elements = longest.marked(Folder(subject, reading.read(subject)).whole())
    count = nodes(elements)
    told = {
        "asked": asked,
        "count": count,
        "most": MOST_NODES,
        "whole": subject.batch.total,
        "cut": subject.batch.total > reading.MOST_ROWS,
        "has_longest": longest.has_longest(elements),
    }
    if not elements:
        return {**told, "is_empty": True}
    is_big = count > MOST_NODES and not asked.insists
    if asked.is_table or is_big:
        return {**told, "rows": list(wording.table(elements)), "is_big": is_big}
    axis = DOWN if asked.is_down else RIGHT
    return {**told, "drawing": svg(elements, wording.summary(elements), axis)}


GRAPH: tuple[Region[Subject], ...] = (Region("header", header), Region("graph", _graph))


def graph(admin: ModelAdmin[Any], request: HttpRequest, /, *, pk: UUID) -> HttpResponseBase:
    """Show the graph of a batch; whoever may not see it is told that there is none."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    try:
        batch = visible_batch(admin, request, pk)
    except Http404:
        return nowhere(admin, request)
    subject = Subject(admin, request, batch, timezone.now())
    context = {
        **parts(subject, GRAPH, "graph_state"),
        "asked": Asked.of(request.GET),
        "page_url": page_of(admin, batch.pk),
        "name": called(batch),
        "way": subject.way,
    }
    title = _("Graph of %(batch)s") % {"batch": called(batch)}
    return frame.response(admin, request, "batch/graph.html", title=title, **context)
