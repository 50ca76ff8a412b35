"""Tabs: the states above the list, and how many jobs are in each."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.utils.translation import gettext as _

from celery_jobman.admin import badges
from celery_jobman.admin.listing import limits
from celery_jobman.insight import wording
from celery_jobman.states import State

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from celery_jobman.admin.badges import Badge
    from celery_jobman.admin.listing.changelist import KeysetChangeList

#: The parameters that choose a state; links use the first.
PARAMETERS: Final = ("state__exact", "state")
#: More jobs than this are not counted.
CAP: Final = 10_000

ORDER: Final = (
    State.RUNNING,
    State.QUEUED,
    State.SCHEDULED,
    State.BLOCKED,
    State.FAILED,
    State.CANCELLED,
    State.SKIPPED,
    State.SUCCEEDED,
)


class Tab(NamedTuple):
    """A link to the jobs of a state, or of all."""

    value: str
    href: str
    chosen: bool
    badge: Badge | None
    word: str


def chosen(request: HttpRequest) -> str:
    """Return the state that the list is limited to; empty for all."""
    return next((request.GET[name] for name in PARAMETERS if request.GET.get(name)), "")


def of(changelist: KeysetChangeList, request: HttpRequest) -> list[Tab]:
    """Return the tabs of a list."""
    value, without = chosen(request), dict.fromkeys(PARAMETERS)
    tabs = [Tab("", changelist.get_query_string(without), not value, None, _("All"))]
    for state in ORDER:
        href = changelist.get_query_string({**without, PARAMETERS[0]: state.value})
        badge = badges.of_state(state)
        tabs.append(Tab(state.value, href, value == state, badge, badge.word))
    return tabs


def counts(queryset: QuerySet[Any]) -> dict[str, str]:
    """Return how many jobs of each state match, in words; no scan is longer than the cap.

    A state whose jobs could not be counted in time, and all after it, are left out.
    """
    plain, found = queryset.order_by(), {}
    until = time.monotonic() + limits.LONGEST
    with suppress(limits.TookTooLong), limits.limited(queryset.db):
        for state in ORDER:
            if time.monotonic() < until:
                number = capped(plain.filter(state=state), CAP)
                found[state.value] = worded(number, CAP)
    return found


def capped(queryset: QuerySet[Any], cap: int) -> int:
    """Count at most one row more than ``cap``."""
    # In the order of the index on states, or PostgreSQL scans the table for a common state.
    return queryset.order_by("-pk").values("pk")[: cap + 1].count()


def worded(number: int, cap: int) -> str:
    """Return a capped number as it is shown: ``1,204``, ``10k+``."""
    return wording.number(number) if number <= cap else wording.at_least(cap)
