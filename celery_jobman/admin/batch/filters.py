"""Filters: the choices beside the list of batches, which are known without reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import SEARCH_VAR
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.listing.filters import Choice
from celery_jobman.models.batch import Kind
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest

#: The states that a batch can be in.
STATES = (
    State.RUNNING,
    State.BLOCKED,
    State.FAILED,
    State.CANCELLED,
    State.SKIPPED,
    State.SUCCEEDED,
)


class _Column(Choice):
    """A value of a column."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the batches with the value."""
        if not self.value:
            return queryset
        if self.value not in {value for value, _word in self.offers(None)}:
            return queryset.none()
        return queryset.filter(**{self.parameter_name: self.value})


class StateFilter(_Column):
    """Batches in one state."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def offers(self, changelist: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """Return the states."""
        return [(state.value, str(state.label)) for state in STATES]


class KindFilter(_Column):
    """Batches of one kind."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def offers(self, changelist: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """Return the kinds."""
        return [(kind.value, str(kind.label)) for kind in Kind]


class NestingFilter(Choice):
    """Whole workflows, or also the batches inside them; a search looks at all."""

    title = gettext_lazy("nesting")
    parameter_name = "which"

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the two."""
        for value, word in (("", _("Whole workflows")), ("all", _("Also nested batches"))):
            query = changelist.get_query_string({self.parameter_name: value or None})
            yield {"selected": self.value == value, "query_string": query, "display": word}

    def offers(self, changelist: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """Return what is not the default."""
        return [("all", _("Also nested batches"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep whole workflows, unless something else was asked for."""
        if self.value == "all" or request.GET.get(SEARCH_VAR):
            return queryset
        inside = {"batch_id", "batch_id__exact", "root_id", "root_id__exact"}
        return queryset if inside & request.GET.keys() else queryset.filter(batch_id__isnull=True)
