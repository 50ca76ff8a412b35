"""Emptiness: what is said where the list has no row, and the ways out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from celery_jobman.admin.listing import tabs
from celery_jobman.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from django.utils.functional import _StrPromise

    from celery_jobman.admin.listing.changelist import KeysetChangeList

_SENTENCES: Final[dict[str, _StrPromise]] = {
    State.SCHEDULED: gettext_lazy("No scheduled jobs match."),
    State.BLOCKED: gettext_lazy("No blocked jobs match."),
    State.QUEUED: gettext_lazy("No queued jobs match."),
    State.RUNNING: gettext_lazy("No running jobs match."),
    State.SUCCEEDED: gettext_lazy("No succeeded jobs match."),
    State.FAILED: gettext_lazy("No failed jobs match."),
    State.CANCELLED: gettext_lazy("No cancelled jobs match."),
    State.SKIPPED: gettext_lazy("No skipped jobs match."),
}


class Way(NamedTuple):
    """A link out of an empty list."""

    text: str
    href: str


class Emptiness(NamedTuple):
    """What is said."""

    text: str
    ways: tuple[Way, ...]


def of(changelist: KeysetChangeList, request: HttpRequest) -> Emptiness | None:
    """Return what is said of a list; None if it has rows, or nobody knows whether."""
    page = changelist.page
    if page.jobs or page.stopped:
        return None
    return Emptiness(_text(changelist, request), tuple(_ways(changelist)))


def _text(changelist: KeysetChangeList, request: HttpRequest) -> str:
    if changelist.cursor:
        return _("There are no jobs on this page any more.")
    if not changelist.params:
        return _("No job has been recorded yet.")
    return str(_SENTENCES.get(tabs.chosen(request), _("No jobs match.")))


def _ways(changelist: KeysetChangeList) -> Iterator[Way]:
    if changelist.cursor:
        yield Way(_("Newest"), changelist.get_query_string())
    if changelist.params.get("when"):
        yield Way(_("Search all time"), changelist.get_query_string({"when": None}))
    if changelist.query:
        yield Way(_("Clear the search"), changelist.without_search)
    if changelist.params:
        yield Way(_("Show all jobs"), "?")
