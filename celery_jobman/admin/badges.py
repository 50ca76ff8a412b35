"""Badges: how a job's state looks, as an icon, a word and a tone, never as a colour alone."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from celery_jobman.insight.wording import short
from celery_jobman.states import State

if TYPE_CHECKING:
    from datetime import datetime

    from django.utils.safestring import SafeString

    from celery_jobman.models import Job


class Badge(NamedTuple):
    """What a screen shows of a state."""

    #: Name of the template in ``admin/jobman/icons``.
    icon: str
    #: Ending of the style class: wait, run, warn, ok or fail.
    tone: str
    word: str

    @property
    def html(self) -> SafeString:
        """The badge as HTML."""
        return drawn(self)


#: Icon and tone of each state.
LOOKS = {
    State.SCHEDULED: ("clock", "wait"),
    State.BLOCKED: ("link", "wait"),
    State.QUEUED: ("stack", "wait"),
    State.RUNNING: ("ring", "run"),
    State.SUCCEEDED: ("tick", "ok"),
    State.FAILED: ("cross", "fail"),
    State.CANCELLED: ("bar", "wait"),
    State.SKIPPED: ("skip", "wait"),
}


def of_state(state: State | str) -> Badge:
    """Return the badge of a state as such."""
    return _in_language(State(state), get_language())


@cache
def _in_language(state: State, language: str | None) -> Badge:  # noqa: ARG001 - it is active
    icon, tone = LOOKS[state]
    return Badge(icon, tone, str(state.label))


def of(job: Job, now: datetime | None = None, *, orphaned: bool = False) -> Badge:
    """Return the badge of a job, which says more than its state.

    A scheduled job that has run before is *retrying*; a running one that was asked to stop is
    *cancelling*; one whose worker is dead (``orphaned``) only seems to run.
    """
    moment = now or timezone.now()
    if job.state == State.RUNNING and orphaned:
        asked = job.cancel_requested_at is not None
        word = _("Cancelling, worker silent") if asked else _("Running, worker silent")
        return Badge("question", "warn", word)
    if job.state == State.RUNNING and job.cancel_requested_at:
        waited = short(moment - job.cancel_requested_at)
        return Badge("stopping", "warn", _("Cancelling (%(time)s)") % {"time": waited})
    if job.state == State.SCHEDULED and job.attempt and job.available_at:
        if job.available_at <= moment:
            return Badge("loop", "warn", _("Retrying"))
        wait = short(job.available_at - moment)
        return Badge("loop", "warn", _("Retrying in %(time)s") % {"time": wait})
    return of_state(job.state)


@lru_cache(maxsize=256)
def drawn(badge: Badge) -> SafeString:
    """Return a badge as HTML."""
    # A page shows few different ones many times, and each takes three templates.
    return render_to_string("admin/jobman/_badge.html", {"badge": badge})
