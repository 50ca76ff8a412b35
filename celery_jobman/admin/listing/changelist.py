"""The changelist: pages that are found by a job's id, and nothing that is counted.

Django's own counts every match twice and skips the rows of all pages before; on a million jobs
that takes a second.  Here a page begins next to a known id, which the primary key finds at any
depth, and one row more than the page holds tells whether there is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.utils.functional import cached_property

from celery_jobman.admin.listing import limits, names, rows
from celery_jobman.admin.reading import as_uuid

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest

    from celery_jobman.models import Job

#: The page of jobs older, and newer, than this one.
AFTER, BEFORE = "_after", "_before"
CURSORS: Final = (AFTER, BEFORE)


class Cursor(NamedTuple):
    """Where a page begins: next to this id, on one side of it."""

    newer: bool
    beside: UUID


class Page(NamedTuple):
    """The jobs of a page, and whether there are more on either side."""

    jobs: list[Job]
    newer: bool = False
    older: bool = False
    #: The first and the last id, also of jobs that are left out for this user.
    ends: tuple[UUID, UUID] | None = None
    #: The database stopped the search; what matches is not known.
    stopped: bool = False


def cursor_of(request: HttpRequest) -> Cursor | None:
    """Return where the page that was asked for begins; None for the first.

    Raises:
        ValueError: It is no place in the list.
    """
    given = [(name, request.GET[name]) for name in CURSORS if name in request.GET]
    if not given:
        return None
    name, text = given[0]
    beside = as_uuid(text)
    if beside is None or len(given) > 1:
        raise ValueError(text)
    return Cursor(name == BEFORE, beside)


def _is_full(asked: QuerySet[Any], size: int) -> bool:
    """Whether there were more rows than the page holds, those that cannot be read included."""
    return len(asked) + getattr(asked, "left_out", 0) > size


class KeysetChangeList(DjangoChangeList):
    """Jobs, the newest first.  The rows are read when they are first asked for."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Return what filters; the place in the list does not, and links forget it."""
        for name in CURSORS:
            self.filter_params.pop(name, None)
            self.params.pop(name, None)
        return super().get_filters_params(params)

    def get_results(self, request: HttpRequest) -> None:
        """Note which page is wanted, and what Django's templates read about it."""
        try:
            self.cursor = cursor_of(request)
        except ValueError:
            self.cursor = None
        self.request = request
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)

    @cached_property
    def page(self) -> Page:
        """The jobs that are shown; none when reading them took too long."""
        try:
            with limits.limited(self.queryset.db):
                found = self._found()
        except limits.TookTooLong:
            return Page([], stopped=True)
        ends = (found.jobs[0].pk, found.jobs[-1].pk) if found.jobs else None
        return found._replace(jobs=self.dressed(found.jobs), ends=ends)

    def light(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows without what the list does not show."""
        return rows.light(queryset)

    def dressed(self, found: list[Any]) -> list[Any]:
        """Return those of the rows that the user may see, ready to be drawn."""
        admin: Any = self.model_admin
        return rows.dressed(admin, self.request, found)

    def _found(self) -> Page:
        found = self._read(self.cursor)
        if self.cursor and self.cursor.newer and not found.newer:
            return self._read(None)  # it is the first page, and a full one
        return found

    def _read(self, cursor: Cursor | None) -> Page:
        jobs, size = self.light(self.queryset), self.list_per_page
        if cursor and cursor.newer:
            asked = jobs.filter(pk__gt=cursor.beside).order_by("pk")[: size + 1]
            return Page(list(asked)[:size][::-1], newer=_is_full(asked, size), older=True)
        if cursor:
            jobs = jobs.filter(pk__lt=cursor.beside)
        asked = jobs.order_by("-pk")[: size + 1]
        return Page(list(asked)[:size], newer=cursor is not None, older=_is_full(asked, size))

    @cached_property
    def result_list(self) -> list[Job]:
        """The jobs, as Django's tags read them."""
        return self.page.jobs

    @cached_property
    def result_count(self) -> int:  # type: ignore[override]
        """How many jobs are on the page; how many match is not counted."""
        return len(self.page.jobs)

    @cached_property
    def full_result_count(self) -> int:  # type: ignore[override]
        """The same number, so that no theme offers to show more."""
        return self.result_count

    @cached_property
    def links(self) -> dict[str, str]:
        """Query strings of the pages that can be turned to."""
        page = self.page
        links = {}
        if page.newer or self.cursor:
            links["newest"] = self.get_query_string()
        if page.newer and page.ends:
            links["newer"] = self.get_query_string({BEFORE: page.ends[0]})
        if page.older and page.ends:
            links["older"] = self.get_query_string({AFTER: page.ends[1]})
        return links

    @cached_property
    def without_search(self) -> str:
        """Query string of the same list without the search."""
        return self.get_query_string({SEARCH_VAR: None})

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """The tasks, queues, owners and workers that can be chosen."""
        admin: Any = self.model_admin
        return {each: admin.names_of(self.request, each) for each in names.NAMES}
