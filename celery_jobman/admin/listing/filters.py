"""Filters: the choices beside the list.  Their links are made without reading the jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ListFilter
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.listing import conditions, ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest


class Choice(ListFilter):
    """One value of one parameter, which themes know by the name that Django gives to it."""

    parameter_name = ""

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, admin: Any
    ) -> None:
        super().__init__(request, params, model, admin)
        values = params.pop(self.parameter_name, None)
        self.value = str(values[-1] if isinstance(values, list) else values or "")

    def has_output(self) -> bool:
        """Say that it is shown, without reading its choices."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return its parameter."""
        return [self.parameter_name]

    def offers(self, changelist: Any) -> Iterable[tuple[str, str]]:
        """Return values and what they are called."""
        raise NotImplementedError

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the links: everything, then each value."""
        everything = changelist.get_query_string(remove=[self.parameter_name])
        yield {"selected": not self.value, "query_string": everything, "display": _("All")}
        for value, word in self.offers(changelist):
            query = changelist.get_query_string({self.parameter_name: value})
            yield {"selected": self.value == value, "query_string": query, "display": word}


class Named(Choice):
    """A name, with the meaning that it has in a search."""

    def offers(self, changelist: Any) -> Iterable[tuple[str, str]]:
        """Return the names that there are."""
        known = changelist.names[self.parameter_name]
        extra = [self.value] if self.value and self.value not in known else []
        return [(name, name) for name in [*known, *extra] if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the jobs with the name."""
        if not self.value:
            return queryset
        return queryset.filter(conditions.CONDITIONS[self.parameter_name](self.value))


class TaskFilter(Named):
    """Jobs of one task."""

    title = gettext_lazy("task")
    parameter_name = "task"


class QueueFilter(Named):
    """Jobs of one queue."""

    title = gettext_lazy("queue")
    parameter_name = "queue"


class OwnerFilter(Named):
    """Jobs of one user, by name."""

    title = gettext_lazy("owner")
    parameter_name = "owner"


class WorkerFilter(Named):
    """Jobs that one worker runs now."""

    title = gettext_lazy("worker")
    parameter_name = "worker"


class WhenFilter(Choice):
    """Jobs made within the last while."""

    title = gettext_lazy("time of creation")
    parameter_name = "when"

    SPANS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}

    def offers(self, changelist: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """Return the spans."""
        words = (_("Last hour"), _("Last 24 hours"), _("Last 7 days"))
        return zip(self.SPANS, words, strict=True)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the jobs made since; nothing matches a span that there is not."""
        if not self.value:
            return queryset
        span = self.SPANS.get(self.value)
        if span is None:
            return queryset.none()
        return queryset.filter(pk__gte=ids.first_at(timezone.now() - span))


def has_choice(spec: Any, changelist: Any) -> bool:
    """Whether a filter, of ours or of the project, offers anything to choose."""
    if not isinstance(spec, Choice) or spec.value:
        return True
    return any(True for _offer in spec.offers(changelist))
