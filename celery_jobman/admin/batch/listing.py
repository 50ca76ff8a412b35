"""The list of batches: whole workflows, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.batch import bar
from celery_jobman.admin.batch.filters import KindFilter, NestingFilter, StateFilter
from celery_jobman.admin.batch.naming import badge, called, kind_of
from celery_jobman.admin.listing import limits, names
from celery_jobman.admin.listing.changelist import KeysetChangeList
from celery_jobman.admin.listing.rows import NOTHING
from celery_jobman.admin.markup import joined, markup
from celery_jobman.admin.page.wire import visible
from celery_jobman.admin.reading import ReadOnlyAdmin, as_uuid
from celery_jobman.admin.routes import page_of
from celery_jobman.insight.wording import at, done_of, number

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    from celery_jobman.models import Batch

#: What the address may filter by.  Other columns could be guessed at, a character at a time.
OPEN = {"kind", "state", "which", "batch_id", "root_id", "owner_id"}
#: Where a batch keeps the name of its owner.
_OWNER = "_jobman_owner"


class BatchChangeList(KeysetChangeList):
    """Batches, found as the list of jobs finds its own."""

    def light(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out what may be long."""
        return queryset.defer("callbacks", "options", "error_message", "tags")

    def dressed(self, found: list[Any]) -> list[Any]:
        """Return the batches that the user may see, with their owners' names."""
        user = self.request.user
        seen = [row for row in found if may(user, Deed.VIEW_BATCH, row)]
        owners = {row.owner_id for row in seen if row.owner_id is not None}
        known = names.of_users(owners) if owners else {}
        for row in seen:
            vars(row)[_OWNER] = known.get(row.owner_id, "")
        return seen


class BatchList(ReadOnlyAdmin):
    """The list of batches."""

    change_list_template = "admin/jobman/batch/change_list.html"
    list_display = ["state_badge", "title", "done", "created", "finished", "whose"]
    list_display_links = None
    list_filter = [StateFilter, KindFilter, NestingFilter]
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    search_fields = ["id", "name"]
    search_help_text = gettext_lazy("An id, or a part of a name; also finds nested batches.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the batches that the user may see; every address of the admin asks here.

        Override it in a subclass to show each user or tenant its own batches only.
        """
        return super().get_queryset(request).defer("options")

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[BatchChangeList]:  # noqa: ARG002
        """Return the list that finds its pages by id."""
        return BatchChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether the address may filter so."""
        own = {getattr(each, "parameter_name", each) for each in self.get_list_filter(request)}
        plain = lookup.removesuffix("__exact")
        known = plain in OPEN | own and "\0" not in str(value)
        return known and super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the whole id, or by a part of the name."""
        asked = request.GET.get(SEARCH_VAR, search_term).strip()
        if not asked or "\0" in asked:
            return (queryset.none() if asked else queryset), False
        batch_id = as_uuid(asked)
        found = {"pk": batch_id} if batch_id else {"name__icontains": asked}
        return queryset.filter(**found), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list."""
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None)
        changelist = context.get("cl") if context else None
        if context is not None and isinstance(changelist, BatchChangeList):
            context["title"] = _("Batches")
            context["emptiness"] = _emptiness(changelist)
            if changelist.page.stopped:
                messages.warning(request, limits.sentence())
        return response

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, batch: Batch) -> SafeString:
        """Return the state."""
        return badge(batch).html

    @admin.display(description=gettext_lazy("batch"))
    def title(self, batch: Batch) -> SafeString:
        """Return what it is called, and its kind."""
        name = markup('<a class="jm-task" href="{}">{}</a>', page_of(self, batch.pk), called(batch))
        if not batch.name:
            return name
        short = f"{kind_of(batch)} {str(batch.pk)[:8]}…"
        return joined(name, markup('<div class="jm-second jm-quiet">{}</div>', short))

    @admin.display(description=gettext_lazy("members"))
    def done(self, batch: Batch) -> SafeString:
        """Return how far it is, as a bar and in words."""
        counts = bar.counts_of(batch)
        if not counts.total:
            return markup('<span class="jm-quiet">{}</span>', _("no members"))
        text = done_of(counts.ended, counts.total)
        failed = ""
        if counts.failed:
            told = _("%(count)s failed") % {"count": number(counts.failed)}
            failed = markup(' <span class="jm-fail">{}</span>', told)
        words = markup('<div class="jm-second">{}{}</div>', text, failed)
        return joined(bar.svg(counts, batch.pk), words)

    @admin.display(description=gettext_lazy("created"))
    def created(self, batch: Batch) -> SafeString:
        """Return when it was made."""
        return _cell(_("Created"), at(batch.created_at))

    @admin.display(description=gettext_lazy("finished"))
    def finished(self, batch: Batch) -> SafeString:
        """Return when it ended last."""
        return _cell(_("Finished"), at(batch.finished_at) if batch.finished_at else NOTHING)

    @admin.display(description=gettext_lazy("owner"))
    def whose(self, batch: Batch) -> SafeString:
        """Return whose it is."""
        return _cell(_("Owner"), visible(str(vars(batch).get(_OWNER, ""))) or NOTHING)


def _cell(label: str, text: str) -> SafeString:
    """Return a cell whose label is read where no heading stands above it."""
    return markup('<span class="jm-cell"><span class="jm-label">{}</span> {}</span>', label, text)


def _emptiness(changelist: BatchChangeList) -> str:
    if changelist.page.jobs or changelist.page.stopped:
        return ""
    if changelist.params or changelist.cursor:
        return _("No batches match.")
    return _("No batch has been recorded yet.")
