"""Selection: the jobs that a bulk action is for, as its confirm page counts them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import SEARCH_VAR
from django.utils.translation import gettext as _

from celery_jobman.admin import badges
from celery_jobman.admin.access import Deed, may
from celery_jobman.admin.listing import tabs
from celery_jobman.admin.listing.changelist import CURSORS
from celery_jobman.admin.listing.filters import WhenFilter
from celery_jobman.admin.routes import page_of
from celery_jobman.conf import settings

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from celery_jobman.models import Job

#: How many errors and jobs are shown.
ERRORS = 5
FIRST = 10


class Row(NamedTuple):
    """One of the jobs that are shown."""

    job: Job
    href: str
    badge: badges.Badge


@dataclass(frozen=True, slots=True)
class Selection:
    """The newest of the jobs that match, as many as one action takes on."""

    jobs: list[Job]
    #: More match than one action takes on.
    is_cut: bool

    @classmethod
    def of(cls, queryset: QuerySet[Any]) -> Selection:
        """Read the jobs, and no more than one beyond the limit."""
        limit = settings().bulk_limit
        found = list(queryset.order_by("-pk")[: limit + 1])
        return cls(found[:limit], len(found) > limit)

    @property
    def matching(self) -> int:
        """How many match, as far as they were counted."""
        return len(self.jobs) + self.is_cut

    def counts(self, request: HttpRequest) -> list[tuple[str, list[tuple[str, int]]]]:
        """Return how many there are by state, by task and, if the user may know, by error."""
        states = Counter(str(badges.of_state(job.state).word) for job in self.jobs)
        tasks = Counter(job.task for job in self.jobs)
        groups = [(_("By state"), states.most_common()), (_("By task"), tasks.most_common(FIRST))]
        errors = Counter(job.error_class for job in self.jobs if job.error_class)
        if errors and may(request.user, Deed.VIEW_LOG):
            groups.append((_("By error"), errors.most_common(ERRORS)))
        return groups

    def first(self, admin: ModelAdmin[Any]) -> list[Row]:
        """Return the first few."""
        return [Row(job, page_of(admin, job.pk), badges.of(job)) for job in self.jobs[:FIRST]]


def passed_on(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the fields that let Django choose the same jobs again.

    "All that match" is passed on as the filter, which is in the address, and one id, without
    which Django sees no choice.
    """
    across = is_across(request)
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    ids = chosen[:1] if across else chosen
    return [
        ("action", _last(request)),
        ("select_across", "1" if across else "0"),
        *((ACTION_CHECKBOX_NAME, each) for each in ids),
    ]


def is_across(request: HttpRequest) -> bool:
    """Whether all that match are meant, and not only those that were ticked."""
    return request.POST.get("select_across") == "1"


def _last(request: HttpRequest) -> str:
    """Return the action whose button was pushed; the list may have one form above, one below."""
    given = request.POST.getlist("action")
    index = request.POST.get("index", "0")
    place = int(index) if index.isascii() and index.isdigit() else 0
    return given[place] if place < len(given) else given[0]


def chosen_by(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the parameters that the list was filtered by."""
    pairs = [(name, value) for name, values in request.GET.lists() for value in values]
    return [(name, value) for name, value in pairs if name not in CURSORS and value]


def filtered_by(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what the list was filtered by, in the words of its page."""
    return [_named(name, value[:200]) for name, value in chosen_by(request)]


def _named(name: str, value: str) -> tuple[str, str]:
    words = {
        **dict.fromkeys(tabs.PARAMETERS, _("state")),
        SEARCH_VAR: _("search"),
        WhenFilter.parameter_name: str(WhenFilter.title),
    }
    return words.get(name, name), value


def has_moved(job: Job, seen: datetime) -> bool:
    """Whether a job was made, or changed its state, since ``seen``."""
    moments = (job.created_at, job.queued_at, job.started_at, job.finished_at)
    return any(moment is not None and moment > seen for moment in moments)
