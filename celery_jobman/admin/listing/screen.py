"""The screen of the list: how Django's own changelist is made to serve a million rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.hooks import DisplayHooks
from celery_jobman.admin.listing import (
    conditions,
    emptiness,
    ids,
    limits,
    live,
    names,
    rows,
    search,
    tabs,
)
from celery_jobman.admin.listing.changelist import KeysetChangeList, cursor_of
from celery_jobman.admin.listing.filters import (
    OwnerFilter,
    QueueFilter,
    TaskFilter,
    WhenFilter,
    WorkerFilter,
    has_choice,
)
from celery_jobman.admin.routes import address
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

#: What the address may filter by.  Other columns could be guessed at, a character at a time, by
#: someone who may not see them.
OPEN = re.compile(
    "(id|task_id|task|label|queue|priority|state|fingerprint|completed_code|observed|eager|when"
    "|attempt|failures|worker|worker_id|parent_id|root_id|group_id|retry_of|owner|owner_id"
    "|(created|available|queued|started|finished)_at)(__(id__)?(exact|in|gte?|lte?|isnull))?"
)


class ListScreen(DisplayHooks):
    """Jobs, the newest first.

    A subclass may add the columns ``owner_name``, ``tag_list``, ``created`` and ``finished`` to
    ``list_display``.
    """

    change_list_template = "admin/jobman/list/change_list.html"
    list_display = [
        "state_badge",
        "name",
        "queue_name",
        "urgency",
        "attempts",
        "waited",
        "ran",
        "started",
        "worker",
    ]
    list_display_links = None
    list_filter = [TaskFilter, QueueFilter, OwnerFilter, WorkerFilter, WhenFilter]
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    search_fields = ["id", "task_id", "task"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the jobs that the user may see; every address of the admin asks here.

        Override it in a subclass to show each user or tenant its own jobs only.
        """
        return super().get_queryset(request).defer("args", "kwargs", "message", "result")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[KeysetChangeList]:  # noqa: ARG002
        """Return the list that finds its pages by id."""
        return KeysetChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether the address may filter so."""
        if "\0" in str(value) or not all(map(search.is_tellable, str(value).split(","))):
            return False
        known = bool(OPEN.fullmatch(lookup)) or self._filters_by(lookup, request)
        return known and super().lookup_allowed(lookup, value, request)

    def _filters_by(self, lookup: str, request: HttpRequest) -> bool:
        # A project's own subclass may add filters.
        given = self.get_list_filter(request)
        names = [each[0] if isinstance(each, (list, tuple)) else each for each in given]
        fields = [name for name in names if isinstance(name, str)]
        return lookup in {getattr(name, "parameter_name", name) for name in names} or any(
            lookup.startswith(f"{field}__") for field in fields
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the search's terms; nothing is found by what was not understood."""
        asked = search.parse(request.GET.get(SEARCH_VAR, search_term))
        if asked.problems or self._curious(request, asked):
            return queryset.none(), False
        return queryset.filter(conditions.of(asked.terms)), False

    def names_of(self, request: HttpRequest, column: str) -> list[str]:
        """Return the tasks, queues, owners or workers that filters and search offer."""
        scoped = type(self).get_queryset is not ListScreen.get_queryset
        return names.NAMES[column](self.get_queryset(request) if scoped else None)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, and say what of the address was not understood."""
        if request.method == "GET" and self.has_view_permission(request):
            for problem in self._problems(request):
                messages.warning(request, problem)
        context = {
            "counts_url": address(self, "counts"),
            "states_url": address(self, "states"),
            "newest": str(ids.first_at(timezone.now())),
            "asof": _("as of %s") % live.clock(),
            "known_states": [*State.values, *search.SHADES],
            **(extra_context or {}),
        }
        response = super().changelist_view(request, context)
        self._complete(request, getattr(response, "context_data", None))
        return response

    def _complete(self, request: HttpRequest, context: dict[str, Any] | None) -> None:
        changelist = context.get("cl") if context else None
        if context is None or not isinstance(changelist, KeysetChangeList):
            return
        specs = changelist.filter_specs
        changelist.filter_specs = [each for each in specs if has_choice(each, changelist)]
        context["tabs"] = tabs.of(changelist, request)
        context["emptiness"] = emptiness.of(changelist, request)
        context["title"] = _("Jobs")
        if changelist.page.stopped:
            messages.warning(request, limits.sentence())
        if changelist.page.jobs:
            context["newest"] = str(changelist.page.jobs[0].pk)

    def _problems(self, request: HttpRequest) -> list[str]:
        asked = search.parse(request.GET.get(SEARCH_VAR, ""))
        problems = list(asked.problems)
        if self._curious(request, asked):
            problems.append(_("You may not search for errors."))
        if tabs.chosen(request) not in {"", *State.values}:
            problems.append(_("There is no such state."))
        if request.GET.get("when", "") not in {"", *WhenFilter.SPANS}:
            problems.append(_("There is no such span of time."))
        try:
            cursor_of(request)
        except ValueError:
            problems.append(_("There is no such page; this is the first."))
        return problems

    def _curious(self, request: HttpRequest, asked: search.Search) -> bool:
        errors = any(term.name == "error" for term in asked.terms)
        return errors and not may(request.user, Deed.VIEW_LOG)

    def get_empty_value_display(self) -> SafeString:
        """Return what stands for nothing; Django asks for it once in every cell."""
        return self._empty_value_display

    @cached_property
    def _empty_value_display(self) -> SafeString:
        return super().get_empty_value_display()

    def action_checkbox(self, obj: Any) -> SafeString:
        """Return the box that chooses a row for an action."""
        return rows.of(obj).tick()

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, job: Any) -> str:
        """Return the state."""
        return rows.of(job).cell("state")

    @admin.display(description=gettext_lazy("task"))
    def name(self, job: Any) -> str:
        """Return the task, and what there is to tell."""
        return rows.of(job).cell("name")

    @admin.display(description=gettext_lazy("queue"))
    def queue_name(self, job: Any) -> str:
        """Return the queue."""
        return rows.of(job).cell("queue")

    @admin.display(description=gettext_lazy("pri"))
    def urgency(self, job: Any) -> str:
        """Return the priority."""
        return rows.of(job).cell("priority")

    @admin.display(description=gettext_lazy("try"))
    def attempts(self, job: Any) -> str:
        """Return the attempt."""
        return rows.of(job).cell("attempts")

    @admin.display(description=gettext_lazy("waited"))
    def waited(self, job: Any) -> str:
        """Return how long it waited."""
        return rows.of(job).cell("waited")

    @admin.display(description=gettext_lazy("ran"))
    def ran(self, job: Any) -> str:
        """Return how long it ran."""
        return rows.of(job).cell("ran")

    @admin.display(description=gettext_lazy("started"))
    def started(self, job: Any) -> str:
        """Return when it was started."""
        return rows.of(job).cell("started")

    @admin.display(description=gettext_lazy("worker"))
    def worker(self, job: Any) -> str:
        """Return the worker."""
        return rows.of(job).cell("worker")

    @admin.display(description=gettext_lazy("created"))
    def created(self, job: Any) -> str:
        """Return when it was made; a column that a subclass may show."""
        return rows.of(job).cell("created")

    @admin.display(description=gettext_lazy("finished"))
    def finished(self, job: Any) -> str:
        """Return when it ended; a column that a subclass may show."""
        return rows.of(job).cell("finished")

    @admin.display(description=gettext_lazy("owner"))
    def owner_name(self, job: Any) -> str:
        """Return whose it is; a column that a subclass may show."""
        return rows.of(job).cell("owner_name")

    @admin.display(description=gettext_lazy("tags"))
    def tag_list(self, job: Any) -> str:
        """Return its tags; a column that a subclass may show."""
        return rows.of(job).cell("tags")
